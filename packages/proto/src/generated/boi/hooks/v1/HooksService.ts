// Original file: proto/boi/hooks/v1/hooks.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DeliverRequest as _boi_hooks_v1_DeliverRequest, DeliverRequest__Output as _boi_hooks_v1_DeliverRequest__Output } from '../../../boi/hooks/v1/DeliverRequest.ts';
import type { DeliverResponse as _boi_hooks_v1_DeliverResponse, DeliverResponse__Output as _boi_hooks_v1_DeliverResponse__Output } from '../../../boi/hooks/v1/DeliverResponse.ts';
import type { HandshakeRequest as _boi_hooks_v1_HandshakeRequest, HandshakeRequest__Output as _boi_hooks_v1_HandshakeRequest__Output } from '../../../boi/hooks/v1/HandshakeRequest.ts';
import type { HandshakeResponse as _boi_hooks_v1_HandshakeResponse, HandshakeResponse__Output as _boi_hooks_v1_HandshakeResponse__Output } from '../../../boi/hooks/v1/HandshakeResponse.ts';

/**
 * HooksService is what a hooks plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface HooksServiceClient extends grpc.Client {
  /**
   * Deliver carries events to the plugin and acknowledgements back. The node opens it once the handshake is done and again
   * whenever it broke; it then sends again, in order, everything after the last acknowledged sequence. So an event can
   * arrive more than once (recognize it by `sequence`, or by `id`), but never out of order and, in the audit tier, never not at all.
   * The node ends a stream on which nothing is acknowledged for 30 s. INVALID_ARGUMENT: a message has no event.
   */
  Deliver(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_hooks_v1_DeliverRequest, _boi_hooks_v1_DeliverResponse__Output>;
  Deliver(options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_hooks_v1_DeliverRequest, _boi_hooks_v1_DeliverResponse__Output>;
  /**
   * Deliver carries events to the plugin and acknowledgements back. The node opens it once the handshake is done and again
   * whenever it broke; it then sends again, in order, everything after the last acknowledged sequence. So an event can
   * arrive more than once (recognize it by `sequence`, or by `id`), but never out of order and, in the audit tier, never not at all.
   * The node ends a stream on which nothing is acknowledged for 30 s. INVALID_ARGUMENT: a message has no event.
   */
  deliver(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_hooks_v1_DeliverRequest, _boi_hooks_v1_DeliverResponse__Output>;
  deliver(options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_hooks_v1_DeliverRequest, _boi_hooks_v1_DeliverResponse__Output>;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY. It must be answered within the node's ready timeout.
   */
  Handshake(argument: _boi_hooks_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_hooks_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_hooks_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_hooks_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Handshake is the first call after the plugin printed BOI_READY. It must be answered within the node's ready timeout.
   */
  handshake(argument: _boi_hooks_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_hooks_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_hooks_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_hooks_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_hooks_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * HooksService is what a hooks plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface HooksServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Deliver carries events to the plugin and acknowledgements back. The node opens it once the handshake is done and again
   * whenever it broke; it then sends again, in order, everything after the last acknowledged sequence. So an event can
   * arrive more than once (recognize it by `sequence`, or by `id`), but never out of order and, in the audit tier, never not at all.
   * The node ends a stream on which nothing is acknowledged for 30 s. INVALID_ARGUMENT: a message has no event.
   */
  Deliver: grpc.handleBidiStreamingCall<_boi_hooks_v1_DeliverRequest__Output, _boi_hooks_v1_DeliverResponse>;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY. It must be answered within the node's ready timeout.
   */
  Handshake: grpc.handleUnaryCall<_boi_hooks_v1_HandshakeRequest__Output, _boi_hooks_v1_HandshakeResponse>;
  
}

export interface HooksServiceDefinition extends grpc.ServiceDefinition {
  Deliver: MethodDefinition<_boi_hooks_v1_DeliverRequest, _boi_hooks_v1_DeliverResponse, _boi_hooks_v1_DeliverRequest__Output, _boi_hooks_v1_DeliverResponse__Output>
  Handshake: MethodDefinition<_boi_hooks_v1_HandshakeRequest, _boi_hooks_v1_HandshakeResponse, _boi_hooks_v1_HandshakeRequest__Output, _boi_hooks_v1_HandshakeResponse__Output>
}

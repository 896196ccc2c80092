// Original file: proto/boi/router/v1/router.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { HandshakeRequest as _boi_router_v1_HandshakeRequest, HandshakeRequest__Output as _boi_router_v1_HandshakeRequest__Output } from '../../../boi/router/v1/HandshakeRequest.ts';
import type { HandshakeResponse as _boi_router_v1_HandshakeResponse, HandshakeResponse__Output as _boi_router_v1_HandshakeResponse__Output } from '../../../boi/router/v1/HandshakeResponse.ts';
import type { HintRequest as _boi_router_v1_HintRequest, HintRequest__Output as _boi_router_v1_HintRequest__Output } from '../../../boi/router/v1/HintRequest.ts';
import type { HintResponse as _boi_router_v1_HintResponse, HintResponse__Output as _boi_router_v1_HintResponse__Output } from '../../../boi/router/v1/HintResponse.ts';

/**
 * RouterService is what a router plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface RouterServiceClient extends grpc.Client {
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake(argument: _boi_router_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_router_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_router_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_router_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  handshake(argument: _boi_router_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_router_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_router_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_router_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_router_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Hint rates candidates for tasks. The node waits 50 ms, since placement waits with it. INVALID_ARGUMENT: there are no tasks or
   * no candidates.
   */
  Hint(argument: _boi_router_v1_HintRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  Hint(argument: _boi_router_v1_HintRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  Hint(argument: _boi_router_v1_HintRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  Hint(argument: _boi_router_v1_HintRequest, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Hint rates candidates for tasks. The node waits 50 ms, since placement waits with it. INVALID_ARGUMENT: there are no tasks or
   * no candidates.
   */
  hint(argument: _boi_router_v1_HintRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  hint(argument: _boi_router_v1_HintRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  hint(argument: _boi_router_v1_HintRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  hint(argument: _boi_router_v1_HintRequest, callback: grpc.requestCallback<_boi_router_v1_HintResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * RouterService is what a router plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface RouterServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake: grpc.handleUnaryCall<_boi_router_v1_HandshakeRequest__Output, _boi_router_v1_HandshakeResponse>;
  
  /**
   * Hint rates candidates for tasks. The node waits 50 ms, since placement waits with it. INVALID_ARGUMENT: there are no tasks or
   * no candidates.
   */
  Hint: grpc.handleUnaryCall<_boi_router_v1_HintRequest__Output, _boi_router_v1_HintResponse>;
  
}

export interface RouterServiceDefinition extends grpc.ServiceDefinition {
  Handshake: MethodDefinition<_boi_router_v1_HandshakeRequest, _boi_router_v1_HandshakeResponse, _boi_router_v1_HandshakeRequest__Output, _boi_router_v1_HandshakeResponse__Output>
  Hint: MethodDefinition<_boi_router_v1_HintRequest, _boi_router_v1_HintResponse, _boi_router_v1_HintRequest__Output, _boi_router_v1_HintResponse__Output>
}

// Original file: proto/boi/provisioner/v1/provisioner.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DeprovisionRequest as _boi_provisioner_v1_DeprovisionRequest, DeprovisionRequest__Output as _boi_provisioner_v1_DeprovisionRequest__Output } from '../../../boi/provisioner/v1/DeprovisionRequest.ts';
import type { DeprovisionResponse as _boi_provisioner_v1_DeprovisionResponse, DeprovisionResponse__Output as _boi_provisioner_v1_DeprovisionResponse__Output } from '../../../boi/provisioner/v1/DeprovisionResponse.ts';
import type { HandshakeRequest as _boi_provisioner_v1_HandshakeRequest, HandshakeRequest__Output as _boi_provisioner_v1_HandshakeRequest__Output } from '../../../boi/provisioner/v1/HandshakeRequest.ts';
import type { HandshakeResponse as _boi_provisioner_v1_HandshakeResponse, HandshakeResponse__Output as _boi_provisioner_v1_HandshakeResponse__Output } from '../../../boi/provisioner/v1/HandshakeResponse.ts';
import type { ListRequest as _boi_provisioner_v1_ListRequest, ListRequest__Output as _boi_provisioner_v1_ListRequest__Output } from '../../../boi/provisioner/v1/ListRequest.ts';
import type { ListResponse as _boi_provisioner_v1_ListResponse, ListResponse__Output as _boi_provisioner_v1_ListResponse__Output } from '../../../boi/provisioner/v1/ListResponse.ts';
import type { ProvisionRequest as _boi_provisioner_v1_ProvisionRequest, ProvisionRequest__Output as _boi_provisioner_v1_ProvisionRequest__Output } from '../../../boi/provisioner/v1/ProvisionRequest.ts';
import type { ProvisionResponse as _boi_provisioner_v1_ProvisionResponse, ProvisionResponse__Output as _boi_provisioner_v1_ProvisionResponse__Output } from '../../../boi/provisioner/v1/ProvisionResponse.ts';

/**
 * ProvisionerService is what a provisioner plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface ProvisionerServiceClient extends grpc.Client {
  /**
   * Deprovision stops and removes the node of a request, whatever its state. A request that is not known is no error. When
   * it is answered, the node is gone.
   */
  Deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  Deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  Deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  Deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Deprovision stops and removes the node of a request, whatever its state. A request that is not known is no error. When
   * it is answered, the node is gone.
   */
  deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  deprovision(argument: _boi_provisioner_v1_DeprovisionRequest, callback: grpc.requestCallback<_boi_provisioner_v1_DeprovisionResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake(argument: _boi_provisioner_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_provisioner_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_provisioner_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_provisioner_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  handshake(argument: _boi_provisioner_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_provisioner_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_provisioner_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_provisioner_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_provisioner_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * List tells which requests the plugin has something for.
   */
  List(argument: _boi_provisioner_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_provisioner_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_provisioner_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_provisioner_v1_ListRequest, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  /**
   * List tells which requests the plugin has something for.
   */
  list(argument: _boi_provisioner_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_provisioner_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_provisioner_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_provisioner_v1_ListRequest, callback: grpc.requestCallback<_boi_provisioner_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Provision begins to make a node and answers at once; it does not wait for the node to join. RESOURCE_EXHAUSTED: there
   * is no room; FAILED_PRECONDITION: this plugin can never make such a node, or the deadline of a request that it does not know
   * has passed. Either counts as a failed request.
   */
  Provision(argument: _boi_provisioner_v1_ProvisionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  Provision(argument: _boi_provisioner_v1_ProvisionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  Provision(argument: _boi_provisioner_v1_ProvisionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  Provision(argument: _boi_provisioner_v1_ProvisionRequest, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Provision begins to make a node and answers at once; it does not wait for the node to join. RESOURCE_EXHAUSTED: there
   * is no room; FAILED_PRECONDITION: this plugin can never make such a node, or the deadline of a request that it does not know
   * has passed. Either counts as a failed request.
   */
  provision(argument: _boi_provisioner_v1_ProvisionRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  provision(argument: _boi_provisioner_v1_ProvisionRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  provision(argument: _boi_provisioner_v1_ProvisionRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  provision(argument: _boi_provisioner_v1_ProvisionRequest, callback: grpc.requestCallback<_boi_provisioner_v1_ProvisionResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * ProvisionerService is what a provisioner plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface ProvisionerServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Deprovision stops and removes the node of a request, whatever its state. A request that is not known is no error. When
   * it is answered, the node is gone.
   */
  Deprovision: grpc.handleUnaryCall<_boi_provisioner_v1_DeprovisionRequest__Output, _boi_provisioner_v1_DeprovisionResponse>;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake: grpc.handleUnaryCall<_boi_provisioner_v1_HandshakeRequest__Output, _boi_provisioner_v1_HandshakeResponse>;
  
  /**
   * List tells which requests the plugin has something for.
   */
  List: grpc.handleUnaryCall<_boi_provisioner_v1_ListRequest__Output, _boi_provisioner_v1_ListResponse>;
  
  /**
   * Provision begins to make a node and answers at once; it does not wait for the node to join. RESOURCE_EXHAUSTED: there
   * is no room; FAILED_PRECONDITION: this plugin can never make such a node, or the deadline of a request that it does not know
   * has passed. Either counts as a failed request.
   */
  Provision: grpc.handleUnaryCall<_boi_provisioner_v1_ProvisionRequest__Output, _boi_provisioner_v1_ProvisionResponse>;
  
}

export interface ProvisionerServiceDefinition extends grpc.ServiceDefinition {
  Deprovision: MethodDefinition<_boi_provisioner_v1_DeprovisionRequest, _boi_provisioner_v1_DeprovisionResponse, _boi_provisioner_v1_DeprovisionRequest__Output, _boi_provisioner_v1_DeprovisionResponse__Output>
  Handshake: MethodDefinition<_boi_provisioner_v1_HandshakeRequest, _boi_provisioner_v1_HandshakeResponse, _boi_provisioner_v1_HandshakeRequest__Output, _boi_provisioner_v1_HandshakeResponse__Output>
  List: MethodDefinition<_boi_provisioner_v1_ListRequest, _boi_provisioner_v1_ListResponse, _boi_provisioner_v1_ListRequest__Output, _boi_provisioner_v1_ListResponse__Output>
  Provision: MethodDefinition<_boi_provisioner_v1_ProvisionRequest, _boi_provisioner_v1_ProvisionResponse, _boi_provisioner_v1_ProvisionRequest__Output, _boi_provisioner_v1_ProvisionResponse__Output>
}

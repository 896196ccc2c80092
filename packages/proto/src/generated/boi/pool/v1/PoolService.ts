// Original file: proto/boi/pool/v1/pool.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CancelRequest as _boi_pool_v1_CancelRequest, CancelRequest__Output as _boi_pool_v1_CancelRequest__Output } from '../../../boi/pool/v1/CancelRequest.ts';
import type { CancelResponse as _boi_pool_v1_CancelResponse, CancelResponse__Output as _boi_pool_v1_CancelResponse__Output } from '../../../boi/pool/v1/CancelResponse.ts';
import type { HandshakeRequest as _boi_pool_v1_HandshakeRequest, HandshakeRequest__Output as _boi_pool_v1_HandshakeRequest__Output } from '../../../boi/pool/v1/HandshakeRequest.ts';
import type { HandshakeResponse as _boi_pool_v1_HandshakeResponse, HandshakeResponse__Output as _boi_pool_v1_HandshakeResponse__Output } from '../../../boi/pool/v1/HandshakeResponse.ts';
import type { ListRequest as _boi_pool_v1_ListRequest, ListRequest__Output as _boi_pool_v1_ListRequest__Output } from '../../../boi/pool/v1/ListRequest.ts';
import type { ListResponse as _boi_pool_v1_ListResponse, ListResponse__Output as _boi_pool_v1_ListResponse__Output } from '../../../boi/pool/v1/ListResponse.ts';
import type { ReleaseRequest as _boi_pool_v1_ReleaseRequest, ReleaseRequest__Output as _boi_pool_v1_ReleaseRequest__Output } from '../../../boi/pool/v1/ReleaseRequest.ts';
import type { ReleaseResponse as _boi_pool_v1_ReleaseResponse, ReleaseResponse__Output as _boi_pool_v1_ReleaseResponse__Output } from '../../../boi/pool/v1/ReleaseResponse.ts';
import type { SpawnRequest as _boi_pool_v1_SpawnRequest, SpawnRequest__Output as _boi_pool_v1_SpawnRequest__Output } from '../../../boi/pool/v1/SpawnRequest.ts';
import type { SpawnResponse as _boi_pool_v1_SpawnResponse, SpawnResponse__Output as _boi_pool_v1_SpawnResponse__Output } from '../../../boi/pool/v1/SpawnResponse.ts';
import type { TailRequest as _boi_pool_v1_TailRequest, TailRequest__Output as _boi_pool_v1_TailRequest__Output } from '../../../boi/pool/v1/TailRequest.ts';
import type { TailResponse as _boi_pool_v1_TailResponse, TailResponse__Output as _boi_pool_v1_TailResponse__Output } from '../../../boi/pool/v1/TailResponse.ts';

/**
 * PoolService is what a pool plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface PoolServiceClient extends grpc.Client {
  /**
   * Cancel stops a task: TERM or its like, the grace, then by force, everything the task started included. It answers at
   * once; Tail tells the end. A second call skips the grace. A task that is not known, or has ended, is no error.
   */
  Cancel(argument: _boi_pool_v1_CancelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _boi_pool_v1_CancelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _boi_pool_v1_CancelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  Cancel(argument: _boi_pool_v1_CancelRequest, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Cancel stops a task: TERM or its like, the grace, then by force, everything the task started included. It answers at
   * once; Tail tells the end. A second call skips the grace. A task that is not known, or has ended, is no error.
   */
  cancel(argument: _boi_pool_v1_CancelRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  cancel(argument: _boi_pool_v1_CancelRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  cancel(argument: _boi_pool_v1_CancelRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  cancel(argument: _boi_pool_v1_CancelRequest, callback: grpc.requestCallback<_boi_pool_v1_CancelResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake(argument: _boi_pool_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_pool_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_pool_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_pool_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  handshake(argument: _boi_pool_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_pool_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_pool_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_pool_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_pool_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * List tells what the plugin knows: running tasks and those that ended and were not released. Only those that this node
   * spawned, where several nodes' plugins share a place: a node that starts releases what is listed and not its own any more.
   */
  List(argument: _boi_pool_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_pool_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_pool_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_pool_v1_ListRequest, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  /**
   * List tells what the plugin knows: running tasks and those that ended and were not released. Only those that this node
   * spawned, where several nodes' plugins share a place: a node that starts releases what is listed and not its own any more.
   */
  list(argument: _boi_pool_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_pool_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_pool_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_pool_v1_ListRequest, callback: grpc.requestCallback<_boi_pool_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Release lets the plugin forget a task: the node has its end and all of its output. A running one is stopped by force
   * first. A task that is not known is no error.
   */
  Release(argument: _boi_pool_v1_ReleaseRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  Release(argument: _boi_pool_v1_ReleaseRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  Release(argument: _boi_pool_v1_ReleaseRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  Release(argument: _boi_pool_v1_ReleaseRequest, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Release lets the plugin forget a task: the node has its end and all of its output. A running one is stopped by force
   * first. A task that is not known is no error.
   */
  release(argument: _boi_pool_v1_ReleaseRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  release(argument: _boi_pool_v1_ReleaseRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  release(argument: _boi_pool_v1_ReleaseRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  release(argument: _boi_pool_v1_ReleaseRequest, callback: grpc.requestCallback<_boi_pool_v1_ReleaseResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Spawn starts a task and answers when it runs or could not be started. A second call with the same task and fence starts
   * nothing and answers `already_spawned`, also after a restart of the plugin, and also when the task has ended meanwhile.
   * A task that cannot be started has ended: it is told by Tail, not by an error. UNAVAILABLE: not now, call again. Any other
   * error ends the claim as one that could not be started, and Release is called.
   * FAILED_PRECONDITION: the task is known under a higher fence; the claim of this one was taken away.
   */
  Spawn(argument: _boi_pool_v1_SpawnRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  Spawn(argument: _boi_pool_v1_SpawnRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  Spawn(argument: _boi_pool_v1_SpawnRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  Spawn(argument: _boi_pool_v1_SpawnRequest, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Spawn starts a task and answers when it runs or could not be started. A second call with the same task and fence starts
   * nothing and answers `already_spawned`, also after a restart of the plugin, and also when the task has ended meanwhile.
   * A task that cannot be started has ended: it is told by Tail, not by an error. UNAVAILABLE: not now, call again. Any other
   * error ends the claim as one that could not be started, and Release is called.
   * FAILED_PRECONDITION: the task is known under a higher fence; the claim of this one was taken away.
   */
  spawn(argument: _boi_pool_v1_SpawnRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  spawn(argument: _boi_pool_v1_SpawnRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  spawn(argument: _boi_pool_v1_SpawnRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  spawn(argument: _boi_pool_v1_SpawnRequest, callback: grpc.requestCallback<_boi_pool_v1_SpawnResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Tail streams what a task writes, from an offset, and at last how it ended. The plugin keeps all output that was not
   * acknowledged, also over its own restart, so that a node that comes back goes on without a gap or a repeat. UNAVAILABLE: the
   * node opens it again. Any other error means that the run cannot be followed any more: it is lost, and Release is called.
   */
  Tail(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_pool_v1_TailRequest, _boi_pool_v1_TailResponse__Output>;
  Tail(options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_pool_v1_TailRequest, _boi_pool_v1_TailResponse__Output>;
  /**
   * Tail streams what a task writes, from an offset, and at last how it ended. The plugin keeps all output that was not
   * acknowledged, also over its own restart, so that a node that comes back goes on without a gap or a repeat. UNAVAILABLE: the
   * node opens it again. Any other error means that the run cannot be followed any more: it is lost, and Release is called.
   */
  tail(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_pool_v1_TailRequest, _boi_pool_v1_TailResponse__Output>;
  tail(options?: grpc.CallOptions): grpc.ClientDuplexStream<_boi_pool_v1_TailRequest, _boi_pool_v1_TailResponse__Output>;
  
}

/**
 * PoolService is what a pool plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface PoolServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Cancel stops a task: TERM or its like, the grace, then by force, everything the task started included. It answers at
   * once; Tail tells the end. A second call skips the grace. A task that is not known, or has ended, is no error.
   */
  Cancel: grpc.handleUnaryCall<_boi_pool_v1_CancelRequest__Output, _boi_pool_v1_CancelResponse>;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake: grpc.handleUnaryCall<_boi_pool_v1_HandshakeRequest__Output, _boi_pool_v1_HandshakeResponse>;
  
  /**
   * List tells what the plugin knows: running tasks and those that ended and were not released. Only those that this node
   * spawned, where several nodes' plugins share a place: a node that starts releases what is listed and not its own any more.
   */
  List: grpc.handleUnaryCall<_boi_pool_v1_ListRequest__Output, _boi_pool_v1_ListResponse>;
  
  /**
   * Release lets the plugin forget a task: the node has its end and all of its output. A running one is stopped by force
   * first. A task that is not known is no error.
   */
  Release: grpc.handleUnaryCall<_boi_pool_v1_ReleaseRequest__Output, _boi_pool_v1_ReleaseResponse>;
  
  /**
   * Spawn starts a task and answers when it runs or could not be started. A second call with the same task and fence starts
   * nothing and answers `already_spawned`, also after a restart of the plugin, and also when the task has ended meanwhile.
   * A task that cannot be started has ended: it is told by Tail, not by an error. UNAVAILABLE: not now, call again. Any other
   * error ends the claim as one that could not be started, and Release is called.
   * FAILED_PRECONDITION: the task is known under a higher fence; the claim of this one was taken away.
   */
  Spawn: grpc.handleUnaryCall<_boi_pool_v1_SpawnRequest__Output, _boi_pool_v1_SpawnResponse>;
  
  /**
   * Tail streams what a task writes, from an offset, and at last how it ended. The plugin keeps all output that was not
   * acknowledged, also over its own restart, so that a node that comes back goes on without a gap or a repeat. UNAVAILABLE: the
   * node opens it again. Any other error means that the run cannot be followed any more: it is lost, and Release is called.
   */
  Tail: grpc.handleBidiStreamingCall<_boi_pool_v1_TailRequest__Output, _boi_pool_v1_TailResponse>;
  
}

export interface PoolServiceDefinition extends grpc.ServiceDefinition {
  Cancel: MethodDefinition<_boi_pool_v1_CancelRequest, _boi_pool_v1_CancelResponse, _boi_pool_v1_CancelRequest__Output, _boi_pool_v1_CancelResponse__Output>
  Handshake: MethodDefinition<_boi_pool_v1_HandshakeRequest, _boi_pool_v1_HandshakeResponse, _boi_pool_v1_HandshakeRequest__Output, _boi_pool_v1_HandshakeResponse__Output>
  List: MethodDefinition<_boi_pool_v1_ListRequest, _boi_pool_v1_ListResponse, _boi_pool_v1_ListRequest__Output, _boi_pool_v1_ListResponse__Output>
  Release: MethodDefinition<_boi_pool_v1_ReleaseRequest, _boi_pool_v1_ReleaseResponse, _boi_pool_v1_ReleaseRequest__Output, _boi_pool_v1_ReleaseResponse__Output>
  Spawn: MethodDefinition<_boi_pool_v1_SpawnRequest, _boi_pool_v1_SpawnResponse, _boi_pool_v1_SpawnRequest__Output, _boi_pool_v1_SpawnResponse__Output>
  Tail: MethodDefinition<_boi_pool_v1_TailRequest, _boi_pool_v1_TailResponse, _boi_pool_v1_TailRequest__Output, _boi_pool_v1_TailResponse__Output>
}

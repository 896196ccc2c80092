// Original file: proto/boi/workspace/v1/workspace.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { CleanupRequest as _boi_workspace_v1_CleanupRequest, CleanupRequest__Output as _boi_workspace_v1_CleanupRequest__Output } from '../../../boi/workspace/v1/CleanupRequest.ts';
import type { CleanupResponse as _boi_workspace_v1_CleanupResponse, CleanupResponse__Output as _boi_workspace_v1_CleanupResponse__Output } from '../../../boi/workspace/v1/CleanupResponse.ts';
import type { HandshakeRequest as _boi_workspace_v1_HandshakeRequest, HandshakeRequest__Output as _boi_workspace_v1_HandshakeRequest__Output } from '../../../boi/workspace/v1/HandshakeRequest.ts';
import type { HandshakeResponse as _boi_workspace_v1_HandshakeResponse, HandshakeResponse__Output as _boi_workspace_v1_HandshakeResponse__Output } from '../../../boi/workspace/v1/HandshakeResponse.ts';
import type { ListRequest as _boi_workspace_v1_ListRequest, ListRequest__Output as _boi_workspace_v1_ListRequest__Output } from '../../../boi/workspace/v1/ListRequest.ts';
import type { ListResponse as _boi_workspace_v1_ListResponse, ListResponse__Output as _boi_workspace_v1_ListResponse__Output } from '../../../boi/workspace/v1/ListResponse.ts';
import type { PrepareRequest as _boi_workspace_v1_PrepareRequest, PrepareRequest__Output as _boi_workspace_v1_PrepareRequest__Output } from '../../../boi/workspace/v1/PrepareRequest.ts';
import type { PrepareResponse as _boi_workspace_v1_PrepareResponse, PrepareResponse__Output as _boi_workspace_v1_PrepareResponse__Output } from '../../../boi/workspace/v1/PrepareResponse.ts';

/**
 * WorkspaceService is what a workspace plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface WorkspaceServiceClient extends grpc.Client {
  /**
   * Cleanup removes the workspace, or keeps it if told, and pushes what the task committed if told. One that is not known
   * is no error.
   */
  Cleanup(argument: _boi_workspace_v1_CleanupRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  Cleanup(argument: _boi_workspace_v1_CleanupRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  Cleanup(argument: _boi_workspace_v1_CleanupRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  Cleanup(argument: _boi_workspace_v1_CleanupRequest, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Cleanup removes the workspace, or keeps it if told, and pushes what the task committed if told. One that is not known
   * is no error.
   */
  cleanup(argument: _boi_workspace_v1_CleanupRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  cleanup(argument: _boi_workspace_v1_CleanupRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  cleanup(argument: _boi_workspace_v1_CleanupRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  cleanup(argument: _boi_workspace_v1_CleanupRequest, callback: grpc.requestCallback<_boi_workspace_v1_CleanupResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake(argument: _boi_workspace_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_workspace_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_workspace_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  Handshake(argument: _boi_workspace_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  handshake(argument: _boi_workspace_v1_HandshakeRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_workspace_v1_HandshakeRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_workspace_v1_HandshakeRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  handshake(argument: _boi_workspace_v1_HandshakeRequest, callback: grpc.requestCallback<_boi_workspace_v1_HandshakeResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * List tells which workspaces there are, kept ones too. Only this node's: one that starts cleans up what is listed, not kept
   * and not its own any more.
   */
  List(argument: _boi_workspace_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_workspace_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_workspace_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  List(argument: _boi_workspace_v1_ListRequest, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  /**
   * List tells which workspaces there are, kept ones too. Only this node's: one that starts cleans up what is listed, not kept
   * and not its own any more.
   */
  list(argument: _boi_workspace_v1_ListRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_workspace_v1_ListRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_workspace_v1_ListRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  list(argument: _boi_workspace_v1_ListRequest, callback: grpc.requestCallback<_boi_workspace_v1_ListResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Prepare makes the workspace and answers when it can be used. It can take long (a first clone); the node's deadline
   * tells how long it waits. FAILED_PRECONDITION: the source does not exist or is refused, trying again does not help.
   * UNAVAILABLE: not now, call again. Any other error fails the task on this node, and Cleanup is called.
   */
  Prepare(argument: _boi_workspace_v1_PrepareRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  Prepare(argument: _boi_workspace_v1_PrepareRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  Prepare(argument: _boi_workspace_v1_PrepareRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  Prepare(argument: _boi_workspace_v1_PrepareRequest, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Prepare makes the workspace and answers when it can be used. It can take long (a first clone); the node's deadline
   * tells how long it waits. FAILED_PRECONDITION: the source does not exist or is refused, trying again does not help.
   * UNAVAILABLE: not now, call again. Any other error fails the task on this node, and Cleanup is called.
   */
  prepare(argument: _boi_workspace_v1_PrepareRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  prepare(argument: _boi_workspace_v1_PrepareRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  prepare(argument: _boi_workspace_v1_PrepareRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  prepare(argument: _boi_workspace_v1_PrepareRequest, callback: grpc.requestCallback<_boi_workspace_v1_PrepareResponse__Output>): grpc.ClientUnaryCall;
  
}

/**
 * WorkspaceService is what a workspace plugin serves on the socket named by BOI_PLUGIN_SOCKET, next to grpc.health.v1.Health.
 */
export interface WorkspaceServiceHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Cleanup removes the workspace, or keeps it if told, and pushes what the task committed if told. One that is not known
   * is no error.
   */
  Cleanup: grpc.handleUnaryCall<_boi_workspace_v1_CleanupRequest__Output, _boi_workspace_v1_CleanupResponse>;
  
  /**
   * Handshake is the first call after the plugin printed BOI_READY.
   */
  Handshake: grpc.handleUnaryCall<_boi_workspace_v1_HandshakeRequest__Output, _boi_workspace_v1_HandshakeResponse>;
  
  /**
   * List tells which workspaces there are, kept ones too. Only this node's: one that starts cleans up what is listed, not kept
   * and not its own any more.
   */
  List: grpc.handleUnaryCall<_boi_workspace_v1_ListRequest__Output, _boi_workspace_v1_ListResponse>;
  
  /**
   * Prepare makes the workspace and answers when it can be used. It can take long (a first clone); the node's deadline
   * tells how long it waits. FAILED_PRECONDITION: the source does not exist or is refused, trying again does not help.
   * UNAVAILABLE: not now, call again. Any other error fails the task on this node, and Cleanup is called.
   */
  Prepare: grpc.handleUnaryCall<_boi_workspace_v1_PrepareRequest__Output, _boi_workspace_v1_PrepareResponse>;
  
}

export interface WorkspaceServiceDefinition extends grpc.ServiceDefinition {
  Cleanup: MethodDefinition<_boi_workspace_v1_CleanupRequest, _boi_workspace_v1_CleanupResponse, _boi_workspace_v1_CleanupRequest__Output, _boi_workspace_v1_CleanupResponse__Output>
  Handshake: MethodDefinition<_boi_workspace_v1_HandshakeRequest, _boi_workspace_v1_HandshakeResponse, _boi_workspace_v1_HandshakeRequest__Output, _boi_workspace_v1_HandshakeResponse__Output>
  List: MethodDefinition<_boi_workspace_v1_ListRequest, _boi_workspace_v1_ListResponse, _boi_workspace_v1_ListRequest__Output, _boi_workspace_v1_ListResponse__Output>
  Prepare: MethodDefinition<_boi_workspace_v1_PrepareRequest, _boi_workspace_v1_PrepareResponse, _boi_workspace_v1_PrepareRequest__Output, _boi_workspace_v1_PrepareResponse__Output>
}

// Original file: proto/boi/workspace/v1/workspace.proto

export type * from './boi/workspace/v1/CleanupRequest.ts';
export type * from './boi/workspace/v1/CleanupResponse.ts';
export type * from './boi/workspace/v1/HandshakeRequest.ts';
export type * from './boi/workspace/v1/HandshakeResponse.ts';
export type * from './boi/workspace/v1/ListRequest.ts';
export type * from './boi/workspace/v1/ListResponse.ts';
export type * from './boi/workspace/v1/ListedWorkspace.ts';
export type * from './boi/workspace/v1/PrepareRequest.ts';
export type * from './boi/workspace/v1/PrepareResponse.ts';
export type * from './boi/workspace/v1/WorkspaceService.ts';

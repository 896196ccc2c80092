// Original file: proto/boi/pool/v1/pool.proto

export type * from './boi/pool/v1/CancelRequest.ts';
export type * from './boi/pool/v1/CancelResponse.ts';
export type * from './boi/pool/v1/HandshakeRequest.ts';
export type * from './boi/pool/v1/HandshakeResponse.ts';
export type * from './boi/pool/v1/ListRequest.ts';
export type * from './boi/pool/v1/ListResponse.ts';
export type * from './boi/pool/v1/ListedTask.ts';
export type * from './boi/pool/v1/OutputChunk.ts';
export type * from './boi/pool/v1/OutputStream.ts';
export type * from './boi/pool/v1/PoolService.ts';
export type * from './boi/pool/v1/ReleaseRequest.ts';
export type * from './boi/pool/v1/ReleaseResponse.ts';
export type * from './boi/pool/v1/SpawnRequest.ts';
export type * from './boi/pool/v1/SpawnResponse.ts';
export type * from './boi/pool/v1/TailRequest.ts';
export type * from './boi/pool/v1/TailResponse.ts';
export type * from './boi/pool/v1/TaskEnd.ts';

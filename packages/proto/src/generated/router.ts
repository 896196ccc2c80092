// Original file: proto/boi/router/v1/router.proto

export type * from './boi/router/v1/Candidate.ts';
export type * from './boi/router/v1/HandshakeRequest.ts';
export type * from './boi/router/v1/HandshakeResponse.ts';
export type * from './boi/router/v1/HintRequest.ts';
export type * from './boi/router/v1/HintResponse.ts';
export type * from './boi/router/v1/NodeHint.ts';
export type * from './boi/router/v1/Requirement.ts';
export type * from './boi/router/v1/RouterService.ts';
export type * from './boi/router/v1/StringList.ts';
export type * from './boi/router/v1/TaskFacts.ts';
export type * from './boi/router/v1/TaskHint.ts';

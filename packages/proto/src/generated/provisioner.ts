// Original file: proto/boi/provisioner/v1/provisioner.proto

export type * from './boi/provisioner/v1/DeprovisionRequest.ts';
export type * from './boi/provisioner/v1/DeprovisionResponse.ts';
export type * from './boi/provisioner/v1/HandshakeRequest.ts';
export type * from './boi/provisioner/v1/HandshakeResponse.ts';
export type * from './boi/provisioner/v1/ListRequest.ts';
export type * from './boi/provisioner/v1/ListResponse.ts';
export type * from './boi/provisioner/v1/ListedProvision.ts';
export type * from './boi/provisioner/v1/ProvisionRequest.ts';
export type * from './boi/provisioner/v1/ProvisionResponse.ts';
export type * from './boi/provisioner/v1/ProvisionState.ts';
export type * from './boi/provisioner/v1/ProvisionerService.ts';
export type * from './boi/provisioner/v1/Requirement.ts';
export type * from './boi/provisioner/v1/StringList.ts';

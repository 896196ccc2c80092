export * from './api/api-types.ts';
export type { FallbackFile, FallbackLine, FallbackNote } from './api/local-fallback.ts';
export * from './base/settle.ts';
export * from './context.ts';
export type {
  Admin,
  AuditInput,
  AuditLine,
  AuditQuery,
  IdentityApi,
  IdentityDirectory,
  Member as IdentityMember,
  PresentedCertificate,
  RotationView,
  Standing,
  Token,
  User,
  UserCredentialInput,
} from './identity/api-types.ts';
export * from './identity/index.ts';
export type { AuditActor, CaCertificateRecord, CaRecord, CertificateRecord } from './identity/records.ts';
export * from './keys.ts';
export * from './membership/membership-types.ts';
export * from './membership/session-types.ts';
export { METRICS } from './metrics.ts';
export { ClusterNode } from './node.ts';
export * from './node-types.ts';
export * from './placement/placement-types.ts';
export * from './records.ts';

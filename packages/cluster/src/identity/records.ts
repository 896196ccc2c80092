/**
 * The records of identity: who is trusted, who is a member, who may sign, which tokens were made, who the users are, what was
 * done by whom. No record has a private key, a token or a secret: of secrets there are hashes, of tokens ids.
 */
import type { NodeId, ProjectId, TokenId, UserRole } from '@boi/core';
import { type Static, Type } from 'typebox';
import { codec, SCHEMA_VERSION } from '../records.ts';

const V = Type.Literal(SCHEMA_VERSION);
const Nat = Type.Integer({ minimum: 0 });
const Str = Type.String();
const opt = Type.Optional;
const id = <T extends string>() => Type.Unsafe<T>({ type: 'string' });
const oneOf = <const T extends readonly string[]>(...values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...values] });

/** A certificate that was issued. Fingerprints are SHA-256 in lower-case hexadecimal. */
export const CertificateRecord = Type.Object({
  /** Public data, kept so that a join whose answer was lost is answered with the same certificate. */
  pem: Str,
  fingerprint: Str,
  serial: Str,
  /** Of its public key. */
  keyFingerprint: Str,
  /** Of the CA that signed it. */
  caFingerprint: Str,
  notBefore: Nat,
  notAfter: Nat,
});
export type CertificateRecord = Static<typeof CertificateRecord>;

/** A CA's certificate; its key is on the disks of admin nodes only. */
export const CaCertificateRecord = Type.Object({ pem: Str, fingerprint: Str, notAfter: Nat });
export type CaCertificateRecord = Static<typeof CaCertificateRecord>;

/**
 * Who is trusted. `stable`: `current` alone. `planned`: `next` is trusted already and signs nothing. `rotating`: `current`
 * signs, `previous` is still trusted. Every transaction that stores a certificate compares this record unchanged.
 */
export const CaRecord = Type.Object({
  v: V,
  phase: oneOf('stable', 'planned', 'rotating'),
  current: CaCertificateRecord,
  next: opt(CaCertificateRecord),
  previous: opt(CaCertificateRecord),
  /** The rotation was called off after the switch: `previous` is the CA that was to be, and goes with `finalize`. */
  aborted: opt(Type.Boolean()),
  /** When this phase began. */
  since: Nat,
  /** While `planned`: how long the old CA is to be trusted after the switch. */
  trustWindowMs: opt(Nat),
  /** While `rotating`: users' certificates of the old CA are good until then at least. */
  trustUntil: opt(Nat),
});
export type CaRecord = Static<typeof CaRecord>;

/** This node may sign. It has the CA's key on its disk. */
export const AdminRecord = Type.Object({ v: V, since: Nat, by: opt(Str) });
export type AdminRecord = Static<typeof AdminRecord>;

/** A node that was admitted. Without this record its certificate is worth nothing. */
export const MemberRecord = Type.Object({
  v: V,
  name: opt(Str),
  address: opt(Str),
  certificate: CertificateRecord,
  /** Fingerprint of the certificate it renewed with, good until it expires: the answer to a renewal may be lost. */
  previous: opt(Str),
  joinedAt: Nat,
  renewedAt: opt(Nat),
  token: opt(id<TokenId>()),
  /** Fingerprints of the CAs it has said it trusts. */
  trusts: Type.Array(Str),
});
export type MemberRecord = Static<typeof MemberRecord>;

export const MemberKeyRecord = Type.Object({ v: V, node: id<NodeId>() });
export type MemberKeyRecord = Static<typeof MemberKeyRecord>;

/** A join token: never itself, only that it was made, used, revoked. One made offline has none until it is used. */
export const TokenRecord = Type.Object({
  v: V,
  createdAt: opt(Nat),
  createdBy: opt(Str),
  expiresAt: Nat,
  bindName: opt(Str),
  bindKey: opt(Str),
  spent: opt(Type.Object({ at: Nat, node: id<NodeId>(), keyFingerprint: Str })),
  revokedAt: opt(Nat),
});
export type TokenRecord = Static<typeof TokenRecord>;

export const UserRecord = Type.Object({
  v: V,
  name: Str,
  role: Type.Unsafe<UserRole>({ type: 'string', enum: ['viewer', 'operator', 'admin'] }),
  project: opt(id<ProjectId>()),
  certificate: opt(CertificateRecord),
  /**
   * Those it renewed with, newest first, good until they expire: the answer to a renewal may be lost, and a bundle may be on
   * two machines. None after a reissue.
   */
  previous: opt(Type.Array(Type.Object({ fingerprint: Str, notAfter: Nat }))),
  /** SHA-256 of the bearer secret. */
  secretHash: opt(Str),
  createdAt: Nat,
  createdBy: opt(Str),
  revokedAt: opt(Nat),
});
export type UserRecord = Static<typeof UserRecord>;

export const AuditRecord = Type.Object({
  v: V,
  at: Nat,
  actor: Type.Object({ kind: oneOf('user', 'node', 'token', 'anyone'), id: opt(Str) }),
  /** The operation, for instance `spec.cancel`. */
  what: Str,
  subject: opt(Str),
  /** Mod revision of what was changed, before. */
  before: opt(Str),
  /** And after. Absent for what was changed by the transaction that wrote this record: its own revision. */
  after: opt(Str),
  /** Which node served it. */
  node: id<NodeId>(),
});
export type AuditRecord = Static<typeof AuditRecord>;

export const identityCodecs = {
  ca: codec('CA', CaRecord),
  admin: codec('admin', AdminRecord),
  member: codec('member', MemberRecord),
  memberKey: codec('member key', MemberKeyRecord),
  token: codec('token', TokenRecord),
  user: codec('user', UserRecord),
  audit: codec('audit', AuditRecord),
} as const;

/** The one who did something, as the audit keeps it. */
export interface AuditActor {
  readonly kind: AuditRecord['actor']['kind'];
  /** User, node or token id; absent for `anyone`, who needs no identity on an insecure node. */
  readonly id?: string;
}

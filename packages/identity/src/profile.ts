/**
 * The certificate profile: who a certificate speaks for, and for how long. Subject `CN=<id>`; the identity itself is one URI
 * in the subject alternative name, `boi://<cluster id>/<role>/<id>`, so that nothing has to be guessed from a common name.
 * Why this form: docs/decisions/031-certificate-profile.md.
 */
import { type IdOf, isId, type NodeId, type UserId } from '@boi/core';

/** Whom a certificate speaks for. A plugin is made by an administrator like a user, and has a user's id. */
export type PeerRole = 'node' | 'user' | 'plugin';

/** The kind of id each role has. */
const ROLE_IDS = { node: 'node', user: 'user', plugin: 'user' } as const satisfies Record<PeerRole, 'node' | 'user'>;

const DAY_MS = 24 * 3600_000;
/** Life of a cluster CA: ten years. */
export const CA_TTL_MS = 3650 * DAY_MS;
/** Life of a node's certificate: thirty days. It renews itself at two thirds. */
export const NODE_TTL_MS = 30 * DAY_MS;
/** Life of a user's or plugin's certificate: ninety days. */
export const USER_TTL_MS = 90 * DAY_MS;
/** A certificate is valid from this much before its signing, for hosts whose clock is behind: five minutes. */
export const BACKDATE_MS = 5 * 60_000;
/** Two thirds of its life: a third is left for the store or the administrators' nodes to be away. */
const RENEW_AFTER = 2 / 3;

/** A cluster's id: 128 bits in lower-case hexadecimal. */
export const CLUSTER_ID_PATTERN = /^[0-9a-f]{32}$/;
/** SHA-256 in lower-case hexadecimal: of a certificate's DER, or of a public key's SubjectPublicKeyInfo. */
export const FINGERPRINT_PATTERN = /^[0-9a-f]{64}$/;

export interface PeerName {
  /** The cluster's id. */
  readonly cluster: string;
  readonly role: PeerRole;
  readonly id: NodeId | UserId;
}

/** The URI of a certificate's subject alternative name. */
export function peerUri({ cluster, role, id }: PeerName): string {
  return `boi://${cluster}/${role}/${id}`;
}

/** What such a URI says, or undefined for any other. Only the one spelling that {@link peerUri} writes is read. */
export function parsePeerUri(uri: string): PeerName | undefined {
  const match = /^boi:\/\/([0-9a-f]{32})\/(node|user|plugin)\/([a-z]{3}_[0-9a-z]{26})$/.exec(uri);
  if (match === null) return undefined;
  const [, cluster, role, id] = match as unknown as [string, string, PeerRole, string];
  return isId(id, ROLE_IDS[role]) ? { cluster, role, id: id as IdOf<'node'> | IdOf<'user'> } : undefined;
}

export interface Validity {
  /** Wall clock, milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** When a certificate is to be renewed: at two thirds of its life. */
export function renewalDueAt({ notBefore, notAfter }: Validity): number {
  return notBefore + Math.floor((notAfter - notBefore) * RENEW_AFTER);
}

/** Whole days until it expires; negative when it has. */
export function daysRemaining({ notAfter }: Pick<Validity, 'notAfter'>, now: number): number {
  return Math.floor((notAfter - now) / DAY_MS);
}

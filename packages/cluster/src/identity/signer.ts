/**
 * Who may sign, and with which CA: read before and compared in every transaction that records something signed. A node that
 * lost the admin mark, or whose CA was replaced, between signing and recording, records nothing.
 */
import { BoiError, type NodeId } from '@boi/core';
import { type Compare, exists } from '@boi/store';
import { wholeRange } from '../base/pages.ts';
import { lastPart } from '../keys.ts';
import type { Admin } from './api-types.ts';
import { asFound, type Found, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type CaRecord, identityCodecs } from './records.ts';

export interface Signer {
  readonly ca: CaRecord;
  readonly found: Found<CaRecord>;
  readonly compares: readonly Compare[];
}

/** Throws `wrong-state` when the cluster has no CA, `not-admin-node` naming those that are. */
export async function signerOf(deps: IdentityDeps): Promise<Signer> {
  const { keys, self } = deps;
  const [found, admin] = await Promise.all([
    find(deps, keys.ca(), identityCodecs.ca),
    find(deps, keys.admin(self), identityCodecs.admin),
  ]);
  const ca = requireCa(found);
  if (admin.record === undefined) throw await notAdmin(deps);
  return { ca, found, compares: [asFound(found), exists(keys.admin(self))] };
}

export function requireCa({ record }: Found<CaRecord>): CaRecord {
  if (record !== undefined) return record;
  throw new BoiError('wrong-state', 'the cluster has no CA; it was not made by `boi-node cluster init`');
}

/** Throws `conflict` unless it was signed with the CA that signs now. */
export function requireCurrent(ca: CaRecord, caFingerprint: string): void {
  if (ca.current.fingerprint === caFingerprint) return;
  throw new BoiError('conflict', 'the CA was replaced meanwhile; ask again', {
    retryAfterS: 1,
    details: { current: ca.current.fingerprint },
  });
}

/** All CAs that are trusted now, the one that signs first. */
export function trustedOf({ current, next, previous }: CaRecord) {
  return [current, next, previous].filter((ca) => ca !== undefined);
}

/** The same as a PEM bundle. */
export function trustBundleOf(ca: CaRecord): string {
  return trustedOf(ca)
    .map(({ pem }) => pem)
    .join('');
}

export async function adminsOf(deps: Pick<IdentityDeps, 'store' | 'keys'>): Promise<Admin[]> {
  const { kvs } = await wholeRange(deps.store, deps.keys.admins());
  return kvs.map(({ key, value }) => ({
    ...identityCodecs.admin.decode(key, value),
    id: lastPart(key) as NodeId,
  }));
}

async function notAdmin(deps: IdentityDeps): Promise<BoiError> {
  const addresses: string[] = [];
  for (const { id } of await adminsOf(deps)) {
    const { record } = await find(deps, deps.keys.member(id), identityCodecs.member);
    if (record?.address !== undefined) addresses.push(record.address);
  }
  return new BoiError('not-admin-node', 'this node cannot sign; ask an admin node', { details: { admins: addresses } });
}

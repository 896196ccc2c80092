/**
 * Members, users, admins and the CA in the memory of each node (base/mirror.ts): who asks is decided without a request to the
 * store, and a revocation holds within a watch's delay. While the store is away the last known state decides: a revocation
 * made meanwhile is not known here, but nobody could have made it through this cluster's API either.
 */
import type { NodeId, UserId } from '@boi/core';
import { Mirror, onlyKey } from '../base/mirror.ts';
import { lastPart } from '../keys.ts';
import type { Codec } from '../records.ts';
import type { Admin, AdmittedNode, IdentityDirectory, PresentedCertificate, Standing, User } from './api-types.ts';
import type { IdentityDeps } from './deps.ts';
import { type AdminRecord, type CaRecord, identityCodecs, type MemberRecord, type UserRecord } from './records.ts';
import { trustBundleOf } from './signer.ts';

/** Compared with the store this often, ± 20 %: a lost event would let a revoked credential live. */
const RELIST_MS = 60_000;

export class MirroredDirectory implements IdentityDirectory {
  readonly #keys: IdentityDeps['keys'];
  readonly #ca: Mirror<CaRecord>;
  readonly #admins: Mirror<AdminRecord>;
  readonly #members: Mirror<MemberRecord>;
  readonly #users: Mirror<UserRecord>;

  constructor(ctx: IdentityDeps) {
    const { keys } = ctx;
    const mirror = <T>(what: string, range: { start: string; end: string }, codec: Codec<T>) =>
      new Mirror<T>({ ctx, range, codec, what, relistMs: RELIST_MS });
    this.#keys = keys;
    this.#ca = mirror('ca', onlyKey(keys.ca()), identityCodecs.ca);
    this.#admins = mirror('admins', keys.admins(), identityCodecs.admin);
    this.#members = mirror('members', keys.members(), identityCodecs.member);
    this.#users = mirror('users', keys.users(), identityCodecs.user);
  }

  async start(): Promise<void> {
    await Promise.all(this.#all().map((mirror) => mirror.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all().map((mirror) => mirror.stop()));
  }

  ca(): CaRecord | undefined {
    return this.#ca.entries.get(this.#keys.ca())?.record;
  }

  trustBundle(): string {
    const ca = this.ca();
    return ca === undefined ? '' : trustBundleOf(ca);
  }

  member(node: NodeId): AdmittedNode | undefined {
    const found = this.#members.entries.get(this.#keys.member(node));
    return found === undefined ? undefined : { ...found.record, id: node };
  }

  user(user: UserId): User | undefined {
    const found = this.#users.entries.get(this.#keys.user(user));
    return found === undefined ? undefined : { ...found.record, id: user };
  }

  isAdmin(node: NodeId): boolean {
    return this.#admins.entries.has(this.#keys.admin(node));
  }

  admins(): readonly Admin[] {
    return this.#admins.sorted().map(({ key, record }) => ({ ...record, id: lastPart(key) as NodeId }));
  }

  standing({ role, id, fingerprint }: PresentedCertificate): Standing {
    if (role === 'node') {
      const node = this.member(id as NodeId);
      if (node === undefined) return { ok: false, reason: 'unknown' };
      // The one it renewed with is good until it expires: it may be all the node has.
      if (fingerprint !== node.certificate.fingerprint && fingerprint !== node.previous) {
        return { ok: false, reason: 'revoked' };
      }
      return { ok: true, role: 'node', node, admin: this.isAdmin(node.id) };
    }
    const user = this.user(id as UserId);
    if (user === undefined) return { ok: false, reason: 'unknown' };
    const held =
      fingerprint === user.certificate?.fingerprint || user.previous?.some((p) => p.fingerprint === fingerprint);
    if (user.revokedAt !== undefined || held !== true) return { ok: false, reason: 'revoked' };
    return { ok: true, role: 'user', user };
  }

  onChange(fn: () => void): () => void {
    const ends = this.#all().map((mirror) => mirror.onChange(fn));
    return () => {
      for (const end of ends) end();
    };
  }

  #all() {
    return [this.#ca, this.#admins, this.#members, this.#users] as const;
  }
}

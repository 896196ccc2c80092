/**
 * Identity over a store: the one object that the daemon, `cluster init` and `join` use (api-types.ts says what each operation
 * promises). Made from a store alone, since it is needed before there is a node. Each operation is in the file of its noun.
 */
import { type Clock, IdMinter, type NodeId, type Random, type TokenId, type UserId } from '@boi/core';
import type { Store } from '@boi/store';
import type { Logger, MetricSink } from '../context.ts';
import type { Events } from '../events/events.ts';
import { Keys } from '../keys.ts';
import { grantAdmin, removeMember, revokeAdmin } from './admins.ts';
import { admit, memberOf, renewMember } from './admit.ts';
import type {
  AdmitInput,
  AuditInput,
  AuditLine,
  AuditQuery,
  CreateTokenInput,
  CreateUserInput,
  FoundInput,
  IdentityApi,
  RotationInput,
  RotationStep,
  UserCredentialInput,
} from './api-types.ts';
import { AuditTrail } from './audit.ts';
import { type Attempt, asFound, change } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { MirroredDirectory } from './directory.ts';
import { expelMember } from './expel.ts';
import { found } from './found.ts';
import { type AuditActor, type CertificateRecord, identityCodecs } from './records.ts';
import { rotate, rotationView } from './rotate.ts';
import { adminsOf } from './signer.ts';
import { createToken, listTokens, revokeToken } from './tokens.ts';
import { createUser, listUsers, reissueUser, renewUser, resolveUser, revokeUser } from './users.ts';

export interface ClusterIdentityOptions {
  readonly store: Store;
  /** Default `/boi/`. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricSink;
  /** The node that signs, serves and is written into the audit. */
  readonly self: NodeId;
  /** Who is told of a new CA. Default: nobody. */
  readonly events?: Events;
}

export class ClusterIdentity implements IdentityApi {
  readonly directory: MirroredDirectory;
  readonly #deps: IdentityDeps;
  readonly #trail: AuditTrail;

  constructor({ prefix, ...rest }: ClusterIdentityOptions) {
    this.#deps = { ...rest, keys: new Keys(prefix), minter: new IdMinter(rest.clock, rest.random) };
    this.directory = new MirroredDirectory(this.#deps);
    this.#trail = new AuditTrail(this.#deps);
  }

  /** Resolves when the directory is read. Everything else works without. */
  start(): Promise<void> {
    return this.directory.start();
  }

  /** Waits for audit lines that were appended. */
  async stop(): Promise<void> {
    await this.#trail.stop();
    await this.directory.stop();
  }

  found(input: FoundInput) {
    return found(this.#deps, input);
  }

  admit(input: AdmitInput) {
    return admit(this.#deps, input);
  }

  renewMember(node: NodeId, presented: string, certificate: CertificateRecord, address?: string) {
    return renewMember(this.#deps, node, presented, certificate, address);
  }

  removeMember(node: NodeId, actor: AuditActor) {
    return removeMember(this.#deps, node, actor);
  }

  expelMember(node: NodeId, actor: AuditActor) {
    return expelMember(this.#deps, node, actor);
  }

  acknowledgeTrust(fingerprints: readonly string[]): Promise<void> {
    const { keys, self } = this.#deps;
    return change(this.#deps, async (): Promise<Attempt<void>> => {
      const member = await memberOf(this.#deps, self);
      // Removed meanwhile: there is nobody whose trust matters.
      if (member.record === undefined) return { done: undefined };
      const trusts = [...new Set(fingerprints)].sort();
      if (trusts.join() === [...member.record.trusts].sort().join()) return { done: undefined };
      const value = identityCodecs.member.encode({ ...member.record, trusts });
      return {
        txn: { compares: [asFound(member)], success: [{ op: 'put', key: keys.member(self), value }] },
        applied: () => undefined,
      };
    });
  }

  createToken(input: CreateTokenInput, actor: AuditActor) {
    return createToken(this.#deps, input, actor);
  }

  listTokens() {
    return listTokens(this.#deps);
  }

  revokeToken(token: TokenId, actor: AuditActor) {
    return revokeToken(this.#deps, token, actor);
  }

  createUser(input: CreateUserInput, actor: AuditActor) {
    return createUser(this.#deps, input, actor);
  }

  listUsers({ name }: { readonly name?: string } = {}) {
    return listUsers(this.#deps, name);
  }

  resolveUser(idOrName: string) {
    return resolveUser(this.#deps, idOrName);
  }

  revokeUser(user: UserId, actor: AuditActor) {
    return revokeUser(this.#deps, user, actor);
  }

  reissueUser(user: UserId, credential: UserCredentialInput, actor: AuditActor) {
    return reissueUser(this.#deps, user, credential, actor);
  }

  renewUser(user: UserId, presented: string, certificate: CertificateRecord) {
    return renewUser(this.#deps, user, presented, certificate);
  }

  listAdmins() {
    return adminsOf(this.#deps);
  }

  grantAdmin(node: NodeId, actor: AuditActor) {
    return grantAdmin(this.#deps, node, actor);
  }

  revokeAdmin(node: NodeId, actor: AuditActor) {
    return revokeAdmin(this.#deps, node, actor);
  }

  rotation() {
    return rotationView(this.#deps);
  }

  rotate(step: RotationStep, input: RotationInput, actor: AuditActor) {
    return rotate(this.#deps, step, input, actor);
  }

  audit(line: AuditInput): Promise<void> {
    return this.#trail.append(line);
  }

  listAudit(query?: AuditQuery) {
    return this.#trail.list(query);
  }

  followAudit(
    query: Pick<AuditQuery, 'after' | 'actor'>,
    onLine: (line: AuditLine) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#trail.follow(query, onLine, signal);
  }
}

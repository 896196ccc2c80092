/** The identity routes of a node with identities: requests and records brought together, one short method each. */
import type { IdentityApi, UserCredentialInput } from '@boi/cluster';
import {
  type AuditView,
  BoiError,
  type CaView,
  type Clock,
  type EventId,
  type NodeId,
  type ProjectId,
  parseId,
  type Random,
  type RouteAnswer,
  type RouteBody,
  type RouteQuery,
  requireId,
  requireName,
  type TokenView,
  type UserCredential,
  type UserId,
  type UserView,
} from '@boi/core';
import { mintJoinToken, mintUserSecret, readSigningRequest } from '@boi/identity';
import type { Caller, NodeCaller } from '../access/caller.ts';
import { type AdmissionOptions, admitNode, renewNode, renewUser } from './admission.ts';
import type { AuthorityKeys } from './authority-keys.ts';
import type { IdentityDesk } from './desk.ts';
import { followLines } from './follow-lines.ts';
import type { Keychain } from './keychain.ts';
import type { Peer } from './peer-call.ts';
import { type Removal, removeNode } from './removal.ts';
import type { Signing } from './signing.ts';
import { auditActor, auditView, caView, tokenView, userView } from './views.ts';

export interface IdentityServiceOptions extends AdmissionOptions {
  readonly identity: IdentityApi;
  readonly keychain: Keychain;
  readonly signing: Signing;
  readonly keys: AuthorityKeys;
  /** Id of a node, by id or name. */
  readonly node: (idOrName: string) => Promise<NodeId>;
  readonly project: (idOrName: string) => Promise<ProjectId>;
  /** Where a node is reached now; undefined while it is away. */
  readonly addressOf: (node: NodeId) => string | undefined;
  /** URLs of live nodes, this one first. */
  readonly endpoints: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

/** The last time that an id can tell: records are found by theirs. */
const AUDIT_SINCE_MAX = 2 ** 48 - 1;
/** Of `audit.follow` without `last`. */
const AUDIT_LAST = 10;

export class IdentityService implements IdentityDesk {
  readonly #o: IdentityServiceOptions;

  constructor(options: IdentityServiceOptions) {
    this.#o = options;
  }

  join(body: RouteBody<'join'>): Promise<RouteAnswer<'join'>> {
    return admitNode(this.#o, body);
  }

  renew({ id, fingerprint }: NodeCaller, body: RouteBody<'cert.renew'>): Promise<RouteAnswer<'cert.renew'>> {
    return renewNode(this.#o, id, fingerprint, body);
  }

  async ca(): Promise<CaView> {
    return caView(this.#o.keychain.cluster, await this.#o.identity.rotation());
  }

  async rotateCa({ step, trustWindowMs, force }: RouteBody<'ca.rotate'>, caller: Caller): Promise<CaView> {
    const { identity, signing, keys, keychain } = this.#o;
    await signing.authority();
    const phase = identity.directory.ca()?.phase;
    // Every admin has the key before anybody is told of the CA: whoever is asked after the switch can sign.
    const next =
      step === 'plan' && phase === 'stable'
        ? await keys.prepareNext(this.#otherAdmins())
        : identity.directory.ca()?.next;
    const view = await identity.rotate(
      step,
      {
        ...(step === 'plan' && next !== undefined ? { next } : {}),
        ...(trustWindowMs === undefined ? {} : { trustWindowMs }),
        ...(force === undefined ? {} : { force }),
      },
      auditActor(caller),
    );
    return caView(keychain.cluster, view);
  }

  async admins(): Promise<RouteAnswer<'admin.list'>> {
    const { identity, addressOf } = this.#o;
    const items = (await identity.listAdmins()).map(({ id, since }) => {
      const name = identity.directory.member(id)?.name;
      const address = addressOf(id);
      return {
        id,
        since,
        ...(name === undefined ? {} : { name }),
        ...(address === undefined ? {} : { address }),
      };
    });
    return { items };
  }

  async grantAdmin(node: string, caller: Caller): Promise<RouteAnswer<'admin.grant'>> {
    const { identity, signing, keys, addressOf } = this.#o;
    const id = await this.#memberId(node);
    if (!identity.directory.isAdmin(id)) {
      await signing.authority();
      const ca = identity.directory.ca();
      const address = addressOf(id);
      if (ca === undefined || address === undefined) {
        throw new BoiError('unreachable', `${id} is away; it must be running to be handed the key of the CA`);
      }
      await keys.handTo({ id, address }, ca);
    }
    await identity.grantAdmin(id, auditActor(caller));
    return this.admins();
  }

  async revokeAdmin(node: string, caller: Caller): Promise<RouteAnswer<'admin.revoke'>> {
    await this.#o.identity.revokeAdmin(await this.#memberId(node), auditActor(caller));
    return this.admins();
  }

  removeNode(removal: Removal): Promise<RouteAnswer<'node.remove'>> {
    return removeNode(this.#o, removal);
  }

  async createToken(body: RouteBody<'token.create'>, caller: Caller): Promise<RouteAnswer<'token.create'>> {
    const { identity, signing, keychain, clock, random } = this.#o;
    // No node could join under another: the token would be good for nobody.
    if (body.bindName !== undefined) requireName('node', body.bindName, '/body/bindName');
    const authority = await signing.authority();
    const bind = {
      ...(body.bindName === undefined ? {} : { name: body.bindName }),
      ...(body.bindKey === undefined ? {} : { key: body.bindKey }),
    };
    const { token, claims } = await mintJoinToken(
      { clock, random },
      {
        authority,
        cluster: keychain.cluster,
        boot: this.#adminAddresses(),
        bind,
        ...(body.ttlMs === undefined ? {} : { ttlMs: body.ttlMs }),
      },
    );
    const { id, expiresAt } = claims;
    await identity.createToken({ id, expiresAt, bind, caFingerprint: authority.fingerprint }, auditActor(caller));
    return { id, token, expiresAt };
  }

  async tokens(): Promise<RouteAnswer<'token.list'>> {
    return { items: (await this.#o.identity.listTokens()).map(tokenView) };
  }

  async revokeToken(token: string, caller: Caller): Promise<TokenView> {
    const id = requireId('token', token, '/params/tok');
    return tokenView(await this.#o.identity.revokeToken(id, auditActor(caller)));
  }

  async createUser({ name, role, project, csr }: RouteBody<'user.create'>, caller: Caller): Promise<UserCredential> {
    const limit = project === undefined ? undefined : await this.#o.project(project);
    return this.#withCredential(csr, (credential) =>
      this.#o.identity.createUser(
        { name, role, credential, ...(limit === undefined ? {} : { project: limit }) },
        auditActor(caller),
      ),
    );
  }

  async users({ name }: RouteQuery<'user.list'>): Promise<RouteAnswer<'user.list'>> {
    const found = await this.#o.identity.listUsers(name === undefined ? {} : { name });
    return { items: found.map(userView) };
  }

  async revokeUser(user: string, caller: Caller): Promise<UserView> {
    const { id } = await this.#o.identity.resolveUser(user);
    return userView(await this.#o.identity.revokeUser(id, auditActor(caller)));
  }

  async reissueUser(user: string, body: RouteBody<'user.reissue'>, caller: Caller): Promise<UserCredential> {
    const { id } = await this.#o.identity.resolveUser(user);
    return this.#withCredential(body.csr, (credential) =>
      this.#o.identity.reissueUser(id, credential, auditActor(caller)),
    );
  }

  renewUser(caller: Caller, body: RouteBody<'user.renew'>): Promise<RouteAnswer<'user.renew'>> {
    return renewUser(this.#o, caller, body);
  }

  async audit({ actor, since, after, limit }: RouteQuery<'audit.list'>): Promise<RouteAnswer<'audit.list'>> {
    if (since !== undefined && since > AUDIT_SINCE_MAX) {
      const message = `must be at most ${AUDIT_SINCE_MAX} (milliseconds since the Unix epoch)`;
      throw new BoiError('bad-request', `/query/since: ${message}`, { issues: [{ path: '/query/since', message }] });
    }
    const { items, next } = await this.#o.identity.listAudit({
      ...(actor === undefined ? {} : { actor }),
      ...(since === undefined ? {} : { since }),
      ...(after === undefined ? {} : { after: requireId('event', after, '/query/after') }),
      ...(limit === undefined ? {} : { limit }),
    });
    return { items: items.map(auditView), ...(next === undefined ? {} : { next }) };
  }

  async followAudit(query: RouteQuery<'audit.follow'>, signal: AbortSignal): Promise<AsyncIterable<AuditView>> {
    const { identity } = this.#o;
    const actor = query.actor === undefined ? {} : { actor: query.actor };
    const kept: AuditView[] = [];
    let after: EventId | undefined;
    const wanted = query.last ?? AUDIT_LAST;
    for (let next: EventId | undefined, first = true; first || next !== undefined; first = false) {
      const page = await identity.listAudit({ ...actor, limit: 1000, ...(next === undefined ? {} : { after: next }) });
      kept.push(...page.items.map(auditView));
      after = page.items.at(-1)?.id ?? after;
      kept.splice(0, Math.max(0, kept.length - wanted));
      next = page.next;
    }
    return followLines(
      kept,
      (onLine) =>
        identity.followAudit(
          { ...actor, ...(after === undefined ? {} : { after }) },
          (line) => onLine(auditView(line)),
          signal,
        ),
      signal,
    );
  }

  /** Makes a certificate for the request, or a secret; what was made goes with the answer and is kept nowhere. */
  async #withCredential(
    csr: string | undefined,
    record: (credential: UserCredentialInput) => Promise<Parameters<typeof userView>[0]>,
  ): Promise<UserCredential> {
    const { keychain, signing, clock, random, endpoints } = this.#o;
    const made: { certificate?: string; secret?: string } = {};
    let credential: UserCredentialInput;
    if (csr === undefined) {
      credential = {
        hash: (user: UserId) => {
          const { secret, hash } = mintUserSecret(user, random);
          made.secret = secret;
          return hash;
        },
      };
    } else {
      const request = await readSigningRequest(csr, '/body/csr');
      const authority = await signing.authority();
      credential = {
        issue: async (id: UserId) => {
          const issued = await authority.issue(
            { clock, random },
            { request, cluster: keychain.cluster, role: 'user', id },
          );
          made.certificate = issued.pem;
          return issued;
        },
      };
    }
    const user = await record(credential);
    return {
      user: userView(user),
      cluster: keychain.cluster,
      endpoints: [...endpoints()],
      ca: keychain.trust,
      ...made,
    };
  }

  /** A member that is away has no name that the API of nodes knows. */
  async #memberId(idOrName: string): Promise<NodeId> {
    const id = parseId('node', idOrName) ?? (await this.#o.node(idOrName));
    if (this.#o.identity.directory.member(id) !== undefined) return id;
    throw new BoiError('not-found', `${id} is not a member of the cluster`);
  }

  #adminAddresses(): string[] {
    const { identity, addressOf } = this.#o;
    return identity.directory
      .admins()
      .map(({ id }) => addressOf(id))
      .filter((address) => address !== undefined);
  }

  /** Throws when one of them is away: it would be an admin without the key. */
  #otherAdmins(): Peer[] {
    const { identity, keychain, addressOf } = this.#o;
    return identity.directory
      .admins()
      .filter(({ id }) => id !== keychain.node)
      .map(({ id }) => {
        const address = addressOf(id);
        if (address !== undefined) return { id, address };
        throw new BoiError('unreachable', `${id} is an admin node and away; start it, or revoke it as admin first`);
      });
  }
}

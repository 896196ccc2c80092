/**
 * All of identity in one daemon, put together: the node's own credentials and their upkeep, the directory of who may ask
 * what, and the desk behind the identity routes. Opened before the API listens and before the node registers, since both
 * need it; `started` by the daemon once it is a member.
 */
import type { RequestOptions } from 'node:https';
import { ClusterIdentity, type ClusterNodeHandle, type Events, type JoinTokens, roleByGroups } from '@boi/cluster';
import { BoiError, type NodeId, type UserId, type UserRole } from '@boi/core';
import { IdentityFiles } from '@boi/identity';
import type { Store } from '@boi/store';
import { type Logger, systemClock, systemRandom } from '@boi/system';
import type { Access } from '../access/enforce.ts';
import { mutualAccess } from '../access/mutual.ts';
import type { RateLimiter } from '../access/rate-limit.ts';
import type { DaemonConfig } from '../config.ts';
import { ETCD_DEFAULT } from '../etcd-options.ts';
import type { InternalRoute } from '../http/server.ts';
import type { MetricsRegistry } from '../metrics-registry.ts';
import { type AdmissionOptions, renewNode } from './admission.ts';
import { AuthorityKeys } from './authority-keys.ts';
import { PREFIX_DEFAULT, readClusterFile } from './cluster-file.ts';
import type { IdentityDesk } from './desk.ts';
import { joinTokens } from './join-tokens.ts';
import { Keychain } from './keychain.ts';
import { type Peer, PeerCalls, peerTls } from './peer-call.ts';
import { RemovalWatch } from './removal-watch.ts';
import { IdentityService } from './service.ts';
import { Signing } from './signing.ts';
import { Upkeep } from './upkeep.ts';

export interface OfficeOptions {
  readonly config: DaemonConfig;
  readonly node: NodeId;
  readonly store: Store;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly events: Events;
  /** Throws `unavailable` until the node is a member. */
  readonly member: () => ClusterNodeHandle;
  readonly limiter: RateLimiter;
  /** This node is no member any more: it was removed, or expelled. Called once. */
  readonly onRemoved: () => void;
}

/** Addresses in a token. */
const BOOT_MAX = 16;

const clock = systemClock;
const random = systemRandom;

export class Office {
  readonly keychain: Keychain;
  readonly access: Access;
  readonly desk: IdentityDesk;
  readonly identity: ClusterIdentity;
  readonly routes: readonly InternalRoute[];
  readonly #options: OfficeOptions;
  readonly #admission: AdmissionOptions;
  readonly #calls: PeerCalls;
  readonly #keys: AuthorityKeys;
  readonly #upkeep: Upkeep;
  readonly #removal: RemovalWatch;
  #address: string | undefined;
  #forgetting: (() => void) | undefined;

  private constructor(options: OfficeOptions, keychain: Keychain, identity: ClusterIdentity, saved: Saved) {
    const { node, log, metrics, limiter, member } = options;
    const { directory } = identity;
    this.#options = options;
    this.keychain = keychain;
    this.identity = identity;
    const { files } = keychain;
    const signing = new Signing({ files, directory, self: node, admins: () => this.#adminAddresses() });
    this.#calls = new PeerCalls(keychain, clock);
    const { cluster } = keychain;
    this.#keys = new AuthorityKeys({ files, directory, signing, calls: this.#calls, cluster, clock, random });
    this.#admission = { keychain, signing, identity, ...saved, clock, random };
    const project = async (idOrName: string) => (await member().api.project(idOrName)).id;
    this.desk = new IdentityService({
      ...this.#admission,
      keys: this.#keys,
      node: async (idOrName) => (await member().api.node(idOrName)).id as NodeId,
      project,
      addressOf: (id) => this.#addressOf(id),
      endpoints: () => this.#endpoints(),
    });
    this.routes = [this.#keys.route()];
    this.access = mutualAccess({
      keychain,
      directory,
      roleByGroups: (user) => roleOf(member, user),
      project,
      limiter,
      clock,
      onRefused: (reason) => metrics.count('boi_core_credentials_refused_total', 1, { reason }),
    });
    this.#removal = new RemovalWatch({ identity, node, clock, log, onRemoved: () => options.onRemoved() });
    this.#upkeep = new Upkeep({
      keychain,
      identity,
      renew: (csr) => this.#renew(csr),
      tidy: () => this.#keys.tidy(),
      clock,
      random,
      log,
      metrics,
    });
  }

  /** Throws `wrong-state` for credentials that cannot be used, `store-unreachable`; nothing is left open then. */
  static async open(options: OfficeOptions): Promise<Office> {
    const { config, node, store, log, metrics, events } = options;
    const dataDir = config['data-dir'];
    const keychain = await Keychain.open(new IdentityFiles(dataDir), node, clock);
    const saved = await readClusterFile(dataDir);
    const prefix = config.prefix ?? saved?.prefix ?? PREFIX_DEFAULT;
    const identity = new ClusterIdentity({ store, prefix, clock, random, log, metrics, self: node, events });
    // The directory waits for a store that is away; a start does not.
    const { ca } = await identity.rotation();
    if (
      ![ca.current, ca.next, ca.previous].some((one) => one !== undefined && keychain.trust.includes(one.pem.trim()))
    ) {
      throw new BoiError('wrong-state', "the cluster in the store is not the one of this node's certificate");
    }
    await identity.start();
    if (identity.directory.member(node) === undefined) {
      await identity.stop();
      throw new BoiError(
        'wrong-state',
        `${node} was removed from the cluster; it can join as a new node: start with --token and another --data-dir`,
        { details: { node } },
      );
    }
    return new Office(options, keychain, identity, { etcd: config.etcd ?? saved?.etcd ?? [ETCD_DEFAULT], prefix });
  }

  /** The node is a member and reached at `address`. */
  start(address: string): void {
    this.#address = address;
    const { directory } = this.identity;
    let admin = directory.isAdmin(this.keychain.node);
    this.#forgetting = directory.onChange(() => {
      const now = directory.isAdmin(this.keychain.node);
      if (admin && !now) {
        this.#keys.forget().then(
          () => this.#options.log.info({}, 'no admin node any more: the key of the CA was removed'),
          (error: unknown) => this.#options.log.error({ err: error }, 'the key of the CA could not be removed'),
        );
      }
      admin = now;
    });
    this.#removal.start();
    this.#upkeep.start();
  }

  async stop(): Promise<void> {
    this.#forgetting?.();
    if (this.#address !== undefined) {
      await this.#removal.stop();
      await this.#upkeep.stop();
    }
    await this.identity.stop();
  }

  /** For nodes that provisioners make. */
  joinTokens(): JoinTokens {
    const { signing, keychain } = this.#admission;
    return joinTokens({
      identity: this.identity,
      signing,
      cluster: keychain.cluster,
      self: keychain.node,
      boot: () =>
        [...(this.#address === undefined ? [] : [this.#address]), ...this.#adminAddresses()].slice(0, BOOT_MAX),
    });
  }

  /** What a request to that very node needs of TLS. */
  tlsOf(peer: Peer): RequestOptions {
    return peerTls(this.keychain, clock, peer.id);
  }

  async #renew(csr: string): Promise<{ certificate: string; ca: string }> {
    const { node } = this.keychain;
    const body = { csr, address: this.#address as string };
    if (this.identity.directory.isAdmin(node)) {
      try {
        return await renewNode(this.#admission, node, this.keychain.certificate.fingerprint, body);
      } catch (error) {
        if (!(error instanceof BoiError && error.code === 'not-admin-node')) throw error;
      }
    }
    let failure: unknown;
    for (const { id } of this.identity.directory.admins()) {
      const address = id === node ? undefined : this.#addressOf(id);
      if (address === undefined) continue;
      try {
        return await this.#calls.post({ id, address }, '/v1/cert/renew', body);
      } catch (error) {
        failure = error;
      }
    }
    throw failure ?? new BoiError('unreachable', 'no admin node can be reached; start one of them');
  }

  /** Where a node is now; of one that is away, or before this one has joined, where it said it would be. */
  #addressOf(id: NodeId): string | undefined {
    if (id === this.keychain.node && this.#address !== undefined) return this.#address;
    const known = this.identity.directory.member(id)?.address;
    // Port 0 is what a node says before it listens on a free one.
    const planned = known === undefined || /:0$/.test(known) ? undefined : known;
    return this.#live().get(id)?.record.address ?? planned;
  }

  #adminAddresses(): string[] {
    const { node } = this.keychain;
    return this.identity.directory
      .admins()
      .filter(({ id }) => id !== node)
      .map(({ id }) => this.#addressOf(id))
      .filter((address) => address !== undefined);
  }

  #endpoints(): string[] {
    const own = this.#address === undefined ? [] : [this.#address];
    return [...new Set([...own, ...[...this.#live().values()].map(({ record }) => record.address)])].slice(0, 16);
  }

  #live() {
    try {
      return this.#options.member().snapshot().members;
    } catch {
      return new Map<NodeId, never>();
    }
  }
}

interface Saved {
  readonly etcd: readonly string[];
  readonly prefix: string;
}

/** What the groups of the cluster give a user; a node that does not know them yet gives nothing. */
function roleOf(member: () => ClusterNodeHandle, user: UserId): UserRole | undefined {
  try {
    return roleByGroups(member().snapshot().groups, user);
  } catch (error) {
    if (error instanceof BoiError && error.code === 'unavailable') return undefined;
    throw error;
  }
}

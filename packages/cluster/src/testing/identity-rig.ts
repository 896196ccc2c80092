/**
 * Identity on a memory store and a virtual clock, seen from several nodes, with certificates that are not ones: what is
 * decided in this package does not look into them. The first node has founded the cluster.
 */
import type { NodeId, TokenId, UserId } from '@boi/core';
import { FaultyStore } from '@boi/store/testing';
import type { AdmitInput } from '../identity/api-types.ts';
import { ClusterIdentity } from '../identity/cluster-identity.ts';
import type { CaCertificateRecord, CertificateRecord } from '../identity/records.ts';
import { NO_METRICS } from '../metrics.ts';
import { allKeys, type Fixture, fixture, silentLogger, testNode } from './fixtures.ts';
import { meanwhile } from './meanwhile.ts';

export const CLUSTER_ID = 'c0ffee00c0ffee00c0ffee00c0ffee00';
export const ROOT = { kind: 'user', id: 'usr_01h00000000000000000000000' } as const;

export const testToken = (n: number) => `tok_01h000000000000000000000${String(n).padStart(2, '0')}` as TokenId;

const hex = (kind: number, n: number) => kind.toString(16).repeat(32) + n.toString(16).padStart(32, '0');

export function testCa(n: number): CaCertificateRecord {
  return { pem: `CA ${n}\n`, fingerprint: hex(0xa, n), notAfter: 4e12 };
}

let serial = 0;

/** A new certificate for the key numbered `key`, by the CA numbered `ca`. */
export function testCertificate(key: number, ca = 1): CertificateRecord {
  serial++;
  return {
    pem: `certificate ${serial}\n`,
    fingerprint: hex(0xc, serial),
    serial: serial.toString(16),
    keyFingerprint: keyOf(key),
    caFingerprint: testCa(ca).fingerprint,
    notBefore: 0,
    notAfter: 3e12,
  };
}

export const keyOf = (key: number) => hex(0xe, key);

export interface IdentityRig {
  readonly f: Fixture;
  /** Of node 1, the founder and first admin. */
  readonly identity: ClusterIdentity;
  /** Faults of node 1's connection. */
  readonly store: FaultyStore;
  /** The same cluster from another node; `first` happens right before its first write. */
  from(n: number, first?: () => Promise<unknown>): ClusterIdentity;
  /** A join with token `token` and key `key`. */
  joining(token: number, key: number, over?: Partial<AdmitInput>): AdmitInput;
  /** Admits a node; answers its id. */
  join(token: number, key?: number): Promise<NodeId>;
  user(name?: string): Promise<UserId>;
  /** Waits in virtual time. */
  wait<T>(promise: Promise<T>): Promise<T>;
  /** The code `work` is refused with, after making sure that nothing was written. */
  refusal(work: () => Promise<unknown>): Promise<string>;
  /** Every key below the prefix. */
  keys(): Promise<string[]>;
}

export async function identityRig(founded = true): Promise<IdentityRig> {
  const f = fixture();
  const store = new FaultyStore({ store: f.store, clock: f.clock });
  const over = { clock: f.clock, random: f.random, log: silentLogger, metrics: NO_METRICS, events: f.ctx.events };
  const identity = new ClusterIdentity({ ...over, store, self: testNode(1) });
  const rig: IdentityRig = {
    f,
    identity,
    store,
    from(n, first) {
      const connection = f.server.connect();
      const own = first === undefined ? connection : meanwhile(connection, first);
      return new ClusterIdentity({ ...over, store: own, self: testNode(n) });
    },
    joining: (token, key, more = {}) => ({
      token: { id: testToken(token), expiresAt: f.clock.now() + 300_000, bind: {} },
      keyFingerprint: keyOf(key),
      issue: async () => testCertificate(key),
      ...more,
    }),
    join: async (token, key = token) => (await identity.admit(rig.joining(token, key))).node,
    user: async (name = 'eric') => {
      const made = await identity.createUser({ name, role: 'admin', credential: { hash: () => 'hash' } }, ROOT);
      return made.id;
    },
    async wait(promise) {
      let done = false;
      const end = () => {
        done = true;
      };
      promise.then(end, end);
      await f.clock.until(() => done, 60_000, 'the operation ends');
      return promise;
    },
    async refusal(work) {
      const before = f.server.revision;
      const thrown = await rig.wait(
        work().then(
          () => undefined,
          (error: unknown) => error,
        ),
      );
      if (f.server.revision !== before) throw new Error('something was written');
      return (thrown as { code?: string } | undefined)?.code ?? String(thrown);
    },
    keys: () => allKeys(f),
  };
  if (founded) await identity.found(founding());
  return rig;
}

export function founding(n = 1, cluster = CLUSTER_ID) {
  const at = { name: `node ${n}`, address: `https://n${n}:7420` };
  return {
    cluster,
    ca: testCa(n),
    node: testNode(n),
    certificate: { ...testCertificate(0xf000 + n, n), fingerprint: hex(0xc, 0xf000 + n) },
    ...at,
  };
}

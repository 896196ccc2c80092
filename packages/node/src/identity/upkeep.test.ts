import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaRecord, IdentityApi } from '@boi/cluster';
import { BoiError, type NodeId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import {
  CertificateAuthority,
  createAuthority,
  createSigningRequest,
  IdentityFiles,
  readSigningRequest,
} from '@boi/identity';
import { createLogger } from '@boi/system';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NODE_METRICS } from '../metrics.ts';
import { MetricsRegistry } from '../metrics-registry.ts';
import { Keychain } from './keychain.ts';
import { Upkeep } from './upkeep.ts';

const NODE = 'nod_01h455vb4pex5vsknk084sn02q' as NodeId;
const CLUSTER = 'c'.repeat(32);
const DAY_MS = 86_400_000;

let dir: string;
let clock: VirtualClock;
let random: SeededRandom;
let rig: Rig;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-upkeep-'));
  clock = new VirtualClock();
  random = new SeededRandom(1);
  rig = await Rig.start();
});
afterEach(async () => {
  await rig.upkeep.stop();
  await rm(dir, { recursive: true, force: true });
});

/** A node's credentials on disk, a CA that renews them as often as asked, and the directory as the store would tell it. */
class Rig {
  readonly files = new IdentityFiles(dir);
  readonly metrics = new MetricsRegistry(NODE_METRICS);
  authority: CertificateAuthority;
  keychain!: Keychain;
  upkeep!: Upkeep;
  ca: CaRecord;
  /** Virtual times of tries to renew. */
  readonly tries: number[] = [];
  acknowledged: readonly string[][] = [];
  failWith: Error | undefined;
  readonly #changed = new Set<() => void>();

  private constructor(authority: CertificateAuthority) {
    this.authority = authority;
    this.ca = { v: 1, phase: 'stable', current: this.#record(), since: 0 };
  }

  static async start(): Promise<Rig> {
    const made = new Rig(await newAuthority());
    await made.files.write('trust', made.authority.certificate.pem);
    const csr = await createSigningRequest(await made.files.ensureKey('key'));
    await made.files.write('certificate', await made.sign(csr));
    made.keychain = await Keychain.open(made.files, NODE, clock);
    made.upkeep = made.#upkeep();
    return made;
  }

  async sign(csr: string): Promise<string> {
    const request = await readSigningRequest(csr);
    const issued = await this.authority.issue(
      { clock, random },
      { request, cluster: CLUSTER, role: 'node', id: NODE, hosts: ['127.0.0.1'] },
    );
    return issued.pem;
  }

  /** Another CA signs from now on; the old one stays trusted. */
  async rotate(): Promise<void> {
    const previous = this.#record();
    this.authority = await newAuthority();
    this.ca = { v: 1, phase: 'rotating', current: this.#record(), previous, since: clock.now() };
    this.tell();
  }

  tell(): void {
    for (const changed of [...this.#changed]) changed();
  }

  get trust(): string {
    return [this.ca.current, this.ca.next, this.ca.previous].map((ca) => ca?.pem ?? '').join('');
  }

  #record() {
    const { pem, fingerprint, notAfter } = this.authority.certificate;
    return { pem, fingerprint, notAfter };
  }

  #upkeep(): Upkeep {
    const directory: Partial<IdentityApi['directory']> = {
      ca: () => this.ca,
      trustBundle: () => this.trust,
      member: () => ({ trusts: this.acknowledged.at(-1) ?? [] }) as never,
      isAdmin: () => false,
      onChange: (changed) => {
        this.#changed.add(changed);
        return () => this.#changed.delete(changed);
      },
    };
    return new Upkeep({
      keychain: this.keychain,
      identity: {
        directory: directory as IdentityApi['directory'],
        acknowledgeTrust: async (fingerprints) => {
          this.acknowledged = [...this.acknowledged, [...fingerprints]];
        },
      },
      renew: async (csr) => {
        this.tries.push(clock.mono());
        if (this.failWith !== undefined) throw this.failWith;
        return { certificate: await this.sign(csr), ca: this.trust };
      },
      tidy: async () => {},
      clock,
      random,
      log: createLogger({ name: 'test', level: 'silent' }),
      metrics: this.metrics,
    });
  }
}

async function newAuthority(): Promise<CertificateAuthority> {
  const { pem, keyPem } = await createAuthority({ clock, random }, { cluster: CLUSTER });
  return CertificateAuthority.load(pem, keyPem);
}

/** Signing happens on other threads: it is done when its effect is seen. */
const seen = (what: () => unknown) => expect.poll(what, { timeout: 10_000, interval: 5 });

/** Time passes until something is seen: an hour at most of what there is to wait for, again and again. */
async function passing(what: () => boolean, stepMs: number): Promise<void> {
  await seen(async () => {
    if (!what()) await clock.advance(stepMs);
    return what();
  }).toBe(true);
}

describe('the certificate', () => {
  test('is left alone for twenty days of thirty, then renewed, in use and on disk, with the same key', async () => {
    const first = rig.keychain.certificate;
    rig.upkeep.start();
    await seen(() => rig.acknowledged.length).toBe(1);
    await clock.advance(19.9 * DAY_MS);
    expect(rig.tries.length).toBe(0);
    const generation = rig.keychain.generation;
    await passing(() => rig.tries.length > 0, 0.05 * DAY_MS);
    await seen(() => rig.keychain.generation).toBe(generation + 1);
    const { fingerprint, keyFingerprint, notAfter } = rig.keychain.certificate;
    expect(keyFingerprint).toBe(first.keyFingerprint);
    expect(fingerprint).not.toBe(first.fingerprint);
    expect(notAfter - first.notAfter).toBeGreaterThan(19 * DAY_MS);
    expect(await readFile(rig.files.path('certificate'), 'utf8')).toBe(rig.keychain.certificate.pem);
    await seen(async () => /boi_core_cert_days_remaining (29|30)/.test(await rig.metrics.text())).toBe(true);
  });

  test('that cannot be renewed is asked for again with growing pauses, and stays in use meanwhile', async () => {
    rig.failWith = new BoiError('unreachable', 'no admin node can be reached');
    const { fingerprint } = rig.keychain.certificate;
    rig.upkeep.start();
    await passing(() => rig.tries.length > 0, 0.1 * DAY_MS);
    for (let n = 2; n <= 12; n++) await passing(() => rig.tries.length >= n, 2 ** n * 125);
    const pauses = rig.tries.slice(1).map((at, i) => at - (rig.tries[i] as number));
    expect(pauses[0]).toBeLessThan(10_000);
    expect(Math.max(...pauses)).toBeGreaterThan(200_000);
    expect(Math.max(...pauses)).toBeLessThan(1_800_000);
    expect(rig.keychain.certificate.fingerprint).toBe(fingerprint);
    rig.failWith = undefined;
    await passing(() => rig.keychain.certificate.fingerprint !== fingerprint, 600_000);
  });
});

describe('when the CA is rotated', () => {
  test('a planned CA is trusted and acknowledged, and nothing is renewed for it', async () => {
    rig.upkeep.start();
    await seen(() => rig.acknowledged.length).toBe(1);
    const next = (await newAuthority()).certificate;
    rig.ca = {
      ...rig.ca,
      phase: 'planned',
      next: { pem: next.pem, fingerprint: next.fingerprint, notAfter: next.notAfter },
    };
    rig.tell();
    await passing(() => rig.acknowledged.length === 2, 1_000);
    expect(rig.acknowledged[1]).toEqual([rig.ca.current.fingerprint, next.fingerprint]);
    expect(await readFile(rig.files.path('trust'), 'utf8')).toBe(rig.trust);
    await clock.advance(DAY_MS);
    expect(rig.tries.length).toBe(0);
  });

  test('the certificate is renewed within seconds after another CA signs, though it is young', async () => {
    rig.upkeep.start();
    await seen(() => rig.acknowledged.length).toBe(1);
    await rig.rotate();
    await passing(() => rig.keychain.caFingerprint === rig.ca.current.fingerprint, 500);
    expect(rig.tries.length).toBe(1);
  });

  test('a trust without the CA of the own certificate is refused: what is in use stays, on disk too', async () => {
    rig.upkeep.start();
    await seen(() => rig.acknowledged.length).toBe(1);
    const before = rig.keychain.trust;
    rig.authority = await newAuthority();
    const { pem, fingerprint, notAfter } = rig.authority.certificate;
    rig.failWith = new BoiError('unreachable', 'no admin node can be reached');
    rig.ca = { v: 1, phase: 'stable', current: { pem, fingerprint, notAfter }, since: 0 };
    rig.tell();
    await clock.advance(60_000);
    expect(rig.keychain.trust).toBe(before);
    expect(await readFile(rig.files.path('trust'), 'utf8')).toBe(before);
  });
});

describe('a keychain', () => {
  test('takes no certificate of another key, node or cluster, and none that is expired', async () => {
    const other = await createSigningRequest(await new IdentityFiles(join(dir, 'other')).ensureKey('key'));
    const before = rig.keychain.certificate;
    await expect(rig.keychain.install({ certificate: await rig.sign(other) })).rejects.toMatchObject({
      code: 'untrusted-server',
    });
    expect(rig.keychain.certificate).toBe(before);
    await expect(Keychain.open(rig.files, NODE.replace(/q$/, 'r') as NodeId, clock)).rejects.toThrow(/mixed up/);
    await clock.advance(31 * DAY_MS);
    await expect(Keychain.open(rig.files, NODE, clock)).rejects.toMatchObject({
      code: 'wrong-state',
      message: expect.stringContaining('--token'),
    });
  });
});

/**
 * Keeps this node's credentials current, for as long as it runs and without a restart:
 *
 * - trust: when the cluster's CAs change (a rotation), they are written to disk, taken into use, and the cluster is told that
 *   this node trusts them, which is what the next step of the rotation waits for;
 * - certificate: renewed at two thirds of its life, and soon after another CA signs. An admin node signs for itself, any
 *   other asks one over mutual TLS, with the certificate it still has. The key stays.
 *
 * A pass is made at every change of the directory, and at least once an hour: timers do not run while a host sleeps. What
 * fails is tried again with growing pauses, told in the log, and seen in the days that are left (a metric).
 */
import type { IdentityApi } from '@boi/cluster';
import { BoiError, type Clock, jitter, type Random, sleep } from '@boi/core';
import { createSigningRequest, renewalDueAt } from '@boi/identity';
import type { Logger } from '@boi/system';
import type { MetricsRegistry } from '../metrics-registry.ts';
import type { Keychain } from './keychain.ts';

const PASS_EVERY_MS = 3_600_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 600_000;
/** After another CA begins to sign, nodes renew over this long, so that the admins are not asked by all at once. */
const SPREAD_MS = 2_000;
const DAY_MS = 86_400_000;

export interface UpkeepOptions {
  readonly keychain: Keychain;
  readonly identity: Pick<IdentityApi, 'directory' | 'acknowledgeTrust'>;
  /** A certificate for this request: signed here, or by an admin node that is asked. */
  readonly renew: (csr: string) => Promise<{ readonly certificate: string; readonly ca: string }>;
  /** Puts the keys of the CA in order on an admin node. */
  readonly tidy: () => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #stopping = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unsubscribe = this.#options.identity.directory.onChange(() => this.#wake.abort());
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort(new Error('the upkeep of certificates stopped'));
    await this.#running;
  }

  /** When this node should renew, wall clock: at once when another CA signs. */
  get dueAt(): number {
    const { keychain, identity } = this.#options;
    const ca = identity.directory.ca();
    const stale = ca !== undefined && ca.phase !== 'planned' && ca.current.fingerprint !== keychain.caFingerprint;
    return stale ? 0 : renewalDueAt(keychain.certificate);
  }

  async #run(): Promise<void> {
    const { clock, random, log } = this.#options;
    let retryMs = RETRY_FIRST_MS;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      let pauseMs: number;
      try {
        await this.#pass(signal);
        retryMs = RETRY_FIRST_MS;
        pauseMs = Math.min(PASS_EVERY_MS, Math.max(0, this.dueAt - clock.now()));
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error, daysRemaining: this.#daysRemaining() }, 'the certificate could not be kept current');
        pauseMs = jitter(random, retryMs, 0.3);
        retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
      }
      await sleep(clock, pauseMs, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { keychain, identity, clock, random, log, metrics } = this.#options;
    await this.#followTrust();
    if (identity.directory.isAdmin(keychain.node)) await this.#options.tidy();
    if (clock.now() >= this.dueAt) {
      if (this.dueAt === 0) await sleep(clock, random.next() * SPREAD_MS, signal);
      const { certificate, ca } = await this.#options.renew(await createSigningRequest(keychain.key));
      await keychain.install({ certificate, trust: ca });
      metrics.count('boi_core_cert_renewals_total');
      log.info({ notAfter: new Date(keychain.certificate.notAfter).toISOString() }, 'certificate renewed');
    }
    metrics.gauge('boi_core_cert_days_remaining', this.#daysRemaining());
    const ca = identity.directory.ca();
    if (ca !== undefined) metrics.gauge('boi_core_ca_days_remaining', (ca.current.notAfter - clock.now()) / DAY_MS);
  }

  async #followTrust(): Promise<void> {
    const { keychain, identity, log } = this.#options;
    const trust = identity.directory.trustBundle();
    if (trust === '') return;
    if (trust !== keychain.trust) {
      await keychain.install({ trust }).catch((error: unknown) => {
        // Without a certificate of a CA that is trusted this node is out; it must say so, and keep what it has.
        if (!(error instanceof BoiError && error.code === 'wrong-state')) throw error;
        throw new BoiError(
          'wrong-state',
          `the cluster no longer trusts the CA of this node's certificate: ${error.message}`,
          {
            cause: error,
          },
        );
      });
      log.info({ trusted: keychain.trusted.map(({ fingerprint }) => fingerprint) }, 'trust replaced');
    }
    const fingerprints = keychain.trusted.map(({ fingerprint }) => fingerprint);
    const told = identity.directory.member(keychain.node)?.trusts ?? [];
    if (fingerprints.some((f) => !told.includes(f)) || told.length !== fingerprints.length) {
      await identity.acknowledgeTrust(fingerprints);
    }
  }

  #daysRemaining(): number {
    const { keychain, clock } = this.#options;
    return (keychain.certificate.notAfter - clock.now()) / DAY_MS;
  }
}

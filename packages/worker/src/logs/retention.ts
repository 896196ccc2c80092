/**
 * Removes old logs: those whose task ended longer ago than `keepMs`, and, per spec, the oldest beyond `keepBytes`. Never
 * that of a running task. {@link planSweep} decides on a listing; {@link sweepLogs} takes the listing and acts;
 * {@link RetentionService} does so by itself.
 */
import { lstat, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, isId, jitter, type Random, type SpecId, sleep } from '@boi/core';
import { type LogPlace, parseLogFile } from './log-place.ts';
import type { LogStore } from './log-store.ts';

export interface RetentionLimits {
  /** Since the end of the task. */
  readonly keepMs: number;
  /** Logs of one spec together. */
  readonly keepBytes: number;
}

const SWEEP_EVERY_MS = 600_000;
const SWEEP_JITTER = 0.2;

export interface StoredLog extends LogPlace {
  readonly files: readonly string[];
  readonly bytes: number;
  /** Wall clock of the last write. */
  readonly endedAt: number;
  readonly running: boolean;
}

export interface SweptLog extends StoredLog {
  readonly why: 'age' | 'size';
}

export function planSweep(logs: readonly StoredLog[], limits: RetentionLimits, now: number): SweptLog[] {
  const swept: SweptLog[] = [];
  const bySpec = new Map<SpecId, StoredLog[]>();
  for (const log of logs) {
    if (!log.running && now - log.endedAt > limits.keepMs) swept.push({ ...log, why: 'age' });
    else bySpec.set(log.spec, [...(bySpec.get(log.spec) ?? []), log]);
  }
  for (const kept of bySpec.values()) {
    let total = kept.reduce((sum, log) => sum + log.bytes, 0);
    for (const log of kept.filter((l) => !l.running).sort((a, b) => a.endedAt - b.endedAt)) {
      if (total <= limits.keepBytes) break;
      total -= log.bytes;
      swept.push({ ...log, why: 'size' });
    }
  }
  return swept;
}

export interface SweepReport {
  readonly swept: readonly SweptLog[];
  /** What could not be removed, and why. */
  readonly failed: readonly { readonly path: string; readonly message: string }[];
  /** Of what was swept. */
  readonly bytes: number;
  /** Of the logs that stay. */
  readonly keptBytes: number;
}

/** With `dryRun` nothing is removed; the answer says what would be. */
export async function sweepLogs(
  store: LogStore,
  limits: RetentionLimits,
  clock: Clock,
  options: { readonly dryRun?: boolean } = {},
): Promise<SweepReport> {
  const logs = await listLogs(store);
  const swept = planSweep(logs, limits, clock.now());
  const failed: { path: string; message: string }[] = [];
  if (options.dryRun !== true) {
    for (const log of swept) {
      // It may have begun again since the listing: the same attempt and delivery never do, but nothing is lost by looking.
      if (store.isLive(log)) continue;
      for (const name of log.files) {
        const path = join(store.root, log.spec, name);
        await unlink(path).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOENT') failed.push({ path, message: error.message });
        });
      }
    }
    for (const spec of new Set(swept.map((log) => log.spec))) {
      // Refused by the kernel while another log is in it.
      await rmdir(join(store.root, spec)).catch(() => undefined);
    }
  }
  const bytes = bytesOf(swept);
  return { swept, failed, bytes, keptBytes: bytesOf(logs) - bytes };
}

const bytesOf = (logs: readonly StoredLog[]) => logs.reduce((sum, log) => sum + log.bytes, 0);

async function listLogs(store: LogStore): Promise<StoredLog[]> {
  const logs: StoredLog[] = [];
  for (const spec of await readdir(store.root).catch(() => [])) {
    if (!isId(spec, 'spec')) continue;
    const dir = join(store.root, spec);
    if (!(await lstat(dir)).isDirectory()) continue;
    const found = new Map<string, { place: LogPlace; files: string[]; bytes: number; endedAt: number }>();
    for (const name of await readdir(dir)) {
      const file = parseLogFile(name);
      if (file === undefined) continue;
      const stat = await lstat(join(dir, name)).catch(() => undefined);
      if (stat === undefined) continue;
      const key = `${file.task}.${file.attempt}.${file.delivery}`;
      const place = { spec, task: file.task, attempt: file.attempt, delivery: file.delivery };
      const log = found.get(key) ?? { place, files: [], bytes: 0, endedAt: 0 };
      log.files.push(name);
      log.bytes += stat.size;
      log.endedAt = Math.max(log.endedAt, stat.mtimeMs);
      found.set(key, log);
    }
    for (const { place, files, bytes, endedAt } of found.values()) {
      logs.push({ ...place, files, bytes, endedAt, running: store.isLive(place) });
    }
  }
  return logs;
}

export interface RetentionServiceOptions {
  readonly store: LogStore;
  readonly limits: RetentionLimits;
  readonly clock: Clock;
  readonly random: Random;
  /** Told after each sweep, also of one that failed as a whole. */
  readonly onSweep: (result: SweepReport | Error) => void;
}

/** Sweeps every ten minutes, give or take, until stopped. */
export class RetentionService {
  readonly #options: RetentionServiceOptions;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: RetentionServiceOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running !== undefined) return;
    this.#stopping = new AbortController();
    this.#running = this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#running = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { store, limits, clock, random, onSweep } = this.#options;
    while (!signal.aborted) {
      try {
        onSweep(await sweepLogs(store, limits, clock));
      } catch (error) {
        onSweep(error as Error);
      }
      await sleep(clock, jitter(random, SWEEP_EVERY_MS, SWEEP_JITTER), signal).catch(() => undefined);
    }
  }
}

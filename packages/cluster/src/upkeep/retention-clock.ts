/**
 * The time by which it is judged what is old enough to be removed. A wall clock that is wrong, by a year or by a typing error,
 * must not remove what people keep: so this one follows the wall clock of whoever has the duty, but at most twice as fast as
 * time passes, and never goes back. It is written down about once an hour, and goes on from there with the next holder.
 *
 *   the wall clock is behind it   the wall clock: nothing is removed too early
 *   it jumps ahead                twice the time that has passed since: a week until it is put right costs a week of retention
 *   nobody had the duty           it goes on from where it was, and catches up; until then things are kept longer
 *
 * Time passes by this process's monotonic clock, from when it first saw the record as it is. Why so: decision 036.
 */
import { ABSENT, type Revision, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';

/** Faster than time, so that it catches up after a standstill. */
const PACE = 2;
const WRITE_EVERY_MS = 3600_000;

export class RetentionClock {
  readonly #deps: NodeDeps;
  #seen: { readonly revision: Revision; readonly mono: number } | undefined;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
  }

  /** Milliseconds since 1970. Rejects when the store cannot be read. */
  async now(signal: AbortSignal): Promise<number> {
    const { clock, keys, store } = this.#deps.ctx;
    const { kv } = await store.get(keys.retention());
    const wallMs = clock.now();
    if (kv === undefined) {
      await this.#write(ABSENT, wallMs, signal);
      return wallMs;
    }
    const { at } = codecs.retention.decode(kv.key, kv.value);
    const nowMono = clock.mono();
    if (this.#seen?.revision !== kv.modRevision) this.#seen = { revision: kv.modRevision, mono: nowMono };
    const reached = Math.min(wallMs, at + PACE * (nowMono - this.#seen.mono));
    if (reached - at >= WRITE_EVERY_MS) await this.#write(kv.modRevision, reached, signal);
    return reached;
  }

  /** Refused: another holder was faster, and this one goes on from there. */
  async #write(revision: Revision, atMs: number, signal: AbortSignal): Promise<void> {
    const { ctx } = this.#deps;
    const key = ctx.keys.retention();
    const value = codecs.retention.encode({ v: SCHEMA_VERSION, at: Math.floor(atMs) });
    const txn = { compares: [unchanged(key, revision)], success: [{ op: 'put', key, value } as const] };
    const answer = await settleTxn(ctx, signal, txn);
    if (answer.outcome === 'applied') this.#seen = { revision: answer.revision, mono: ctx.clock.mono() };
  }
}

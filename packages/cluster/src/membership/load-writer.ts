/**
 * Publishes this node's load under `load/{nod}`, bound to the session's lease: at most one write a second, only when it
 * changed; a change of health is not kept waiting. A write that fails or whose outcome is unknown is not repeated for its own sake;
 * the next one carries the truth. Each compares the one before, so that a late copy of an older write cannot take its place: what is
 * written last may have to stand for hours.
 */
import type { Timer } from '@boi/core';
import { ABSENT, type Revision, unchanged } from '@boi/store';
import type { ClusterContext } from '../context.ts';
import { codecs, type LoadRecord } from '../records.ts';
import type { NodeSession } from './session.ts';

const EVERY_MS = 1_000;

export class LoadWriter {
  readonly #ctx: ClusterContext;
  readonly #session: NodeSession;
  readonly #load: () => LoadRecord;
  /** What the store has for this epoch; without a value where that is not known. */
  #written: { readonly epoch: Revision; readonly revision: Revision; readonly value?: string } | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #stopped = false;
  #lastMono = Number.NEGATIVE_INFINITY;

  constructor(ctx: ClusterContext, session: NodeSession, load: () => LoadRecord) {
    this.#ctx = ctx;
    this.#session = session;
    this.#load = load;
  }

  /** The load may have changed. `atOnce`: it must be told now. */
  changed(atOnce = false): void {
    if (this.#stopped || (this.#timer !== undefined && !atOnce)) return;
    this.#timer?.cancel();
    const delayMs = atOnce ? 0 : Math.max(0, this.#lastMono + EVERY_MS - this.#ctx.clock.mono());
    this.#timer = this.#ctx.clock.timer(delayMs, () => {
      this.#timer = undefined;
      // What is under way may have been made before the change.
      if (this.#writing !== undefined) void this.#writing.then(() => this.changed(atOnce));
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { keys, store, log } = this.#ctx;
    const epoch = this.#session.epoch();
    const lease = this.#session.lease;
    if (epoch === undefined || lease === undefined) return;
    const value = codecs.load.encode(this.#load());
    // Registering wrote the first, with the record.
    const before = this.#written?.epoch === epoch ? this.#written : { epoch, revision: epoch };
    if (before.value === value) return;
    this.#lastMono = this.#ctx.clock.mono();
    const key = keys.load(this.#session.node);
    this.#written = { epoch, revision: before.revision };
    try {
      const answer = await store.txn({
        compares: [...this.#session.compares(), unchanged(key, before.revision)],
        success: [{ op: 'put', key, value, lease }],
        failure: [
          { op: 'get', key: keys.node(this.#session.node) },
          { op: 'get', key },
        ],
      });
      if (answer.outcome === 'applied') {
        this.#written = { epoch, revision: answer.revision, value };
        return;
      }
      if (answer.outcome === 'refused') {
        const [record, load] = answer.answers;
        if (record?.op !== 'get' || record.kv?.createRevision !== epoch)
          return this.#session.lose('its record is gone');
        const revision = load?.op === 'get' ? load.kv?.modRevision : undefined;
        this.#written = { epoch, revision: revision ?? ABSENT };
      }
      this.changed();
    } catch (error) {
      log.debug({ err: error }, 'the load was not published');
    }
  }
}

/**
 * The specs this node coordinates: one {@link Coordinator} for each key under `coord/{self}/`, started when the key appears
 * and stopped when it goes. Whoever writes a spec's header writes that key, so a node is told of its duties and looks for
 * none. A node that drains hands them over; a dead node's are taken over by whoever adopts its queue (take-over.ts).
 */
import type { SpecId } from '@boi/core';
import { Mirror } from '../base/mirror.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { type CoordRecord, codecs } from '../records.ts';
import { handOverCoordination } from '../takeover/take-over.ts';
import { Coordinator } from './coordinator.ts';

export class Coordinators {
  readonly #deps: NodeDeps;
  readonly #mirror: Mirror<CoordRecord>;
  readonly #running = new Map<SpecId, Coordinator>();
  /** Named again while one still runs: it may be ending because of the time before. */
  readonly #again = new Map<SpecId, CoordRecord>();
  readonly #ending = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #unsubscribe: (() => void)[] = [];
  #started = false;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    const { ctx, self } = deps;
    this.#mirror = new Mirror({
      ctx,
      range: ctx.keys.coordsOf(self),
      codec: codecs.coord,
      what: 'coord',
      relistMs: ctx.config.relistMs,
    });
  }

  /** Specs coordinated here now. */
  get size(): number {
    return this.#running.size;
  }

  /** Resolves when every spec this node is to coordinate is known. */
  async start(): Promise<void> {
    this.#started = true;
    this.#unsubscribe = [
      this.#mirror.onChange((changes) => {
        for (const { key, after } of changes) {
          const spc = lastPart(key) as SpecId;
          // It may be about to learn that its own last transaction took the key away: it ends by itself.
          if (after === undefined) this.#gone(spc);
          else this.#begin(spc, after.record);
        }
      }),
      this.#deps.membership.onChange((snapshot) => {
        if (snapshot.members.get(this.#deps.self)?.conf?.drain !== undefined) this.#track(this.handOver());
      }),
    ];
    await this.#mirror.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the coordinators stopped'));
    for (const end of this.#unsubscribe) end();
    if (this.#started) await this.#mirror.stop();
    for (const spc of [...this.#running.keys()]) this.#end(spc);
    await Promise.all(this.#ending);
  }

  /** Gives every spec to the node that would coordinate it without this one, if there is any. Called when draining or leaving. */
  async handOver(): Promise<void> {
    for (const { key, record } of this.#mirror.sorted()) {
      if (this.#stopping.signal.aborted) return;
      await handOverCoordination(this.#deps, record.prj, lastPart(key) as SpecId, this.#stopping.signal);
    }
  }

  #begin(spc: SpecId, record: CoordRecord): void {
    if (this.#stopping.signal.aborted) return;
    if (this.#running.has(spc)) {
      this.#again.set(spc, record);
      return;
    }
    const coordinator = new Coordinator(this.#deps, { prj: record.prj, spc }, () => this.#end(spc));
    this.#running.set(spc, coordinator);
    coordinator.start();
  }

  #gone(spc: SpecId): void {
    this.#again.delete(spc);
    this.#running.get(spc)?.released();
  }

  #end(spc: SpecId): void {
    const coordinator = this.#running.get(spc);
    if (coordinator === undefined) return;
    this.#running.delete(spc);
    this.#track(coordinator.stop());
    const record = this.#again.get(spc);
    this.#again.delete(spc);
    if (record !== undefined) this.#begin(spc, record);
  }

  #track(work: Promise<void>): void {
    const task = work
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) {
          this.#deps.ctx.log.error({ err: error }, 'a coordination ended badly');
        }
      })
      .finally(() => this.#ending.delete(task));
    this.#ending.add(task);
  }
}

/**
 * Coordinates one spec, on the node that `coord/{nod}/{spc}` names: watches its header and does what its state asks for. One
 * per spec; started and stopped by coordinators.ts.
 *
 *   writing             its dispatcher gone: frees the spec
 *   dispatching         leaves the header to the dispatcher; when that is gone, takes its place (resume.ts)
 *   active, cancelling  releases, skips, stops, keeps progress, finalizes (coordinate.ts)
 *   final, or another's there is nothing left to do here: the key goes, and this is done
 */
import { compareRevisions, unchanged } from '@boi/store';
import { Bell } from '../base/bell.ts';
import { Mirror, onlyKey } from '../base/mirror.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { Coordination, type Next } from './coordinate.ts';
import { HeaderFence } from './header-fence.ts';
import { freeWriting, takeDispatch, writeRecords } from './resume.ts';
import { dispatcherGone, isFinalSpec, readHeader, type SpecRef } from './spec-ref.ts';

/** After a store error. */
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 2_000;

export class Coordinator {
  readonly #deps: NodeDeps;
  readonly #ref: SpecRef;
  readonly #onDone: () => void;
  readonly #stopping = new AbortController();
  readonly #bell: Bell;
  readonly #mirror: Mirror<SpecHeader>;
  readonly #fence: HeaderFence;
  readonly #coordination: Coordination;
  #loop: Promise<void> | undefined;
  /** The header is to be read before the next step. */
  #stale = false;

  /** `onDone` is called when there is nothing left to coordinate here. */
  constructor(deps: NodeDeps, ref: SpecRef, onDone: () => void) {
    this.#deps = deps;
    this.#ref = ref;
    this.#onDone = onDone;
    const { ctx } = deps;
    const { signal } = this.#stopping;
    this.#bell = new Bell(ctx.clock);
    this.#fence = new HeaderFence(ctx, ref, signal);
    this.#mirror = new Mirror({ ctx, range: onlyKey(this.#fence.key), codec: codecs.spec, what: 'header' });
    this.#coordination = new Coordination(deps, ref, this.#fence, signal, () => this.#bell.ring());
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** The key that names this node is gone: it finishes what it is about, looks at the header and ends by itself. */
  released(): void {
    this.#stale = true;
    this.#bell.ring();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`coordination of ${this.#ref.spc} stopped`));
    this.#bell.ring();
    // What waits for a store that is away waits no longer.
    await Promise.all([this.#mirror.stop(), this.#coordination.stop()]);
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { ctx, membership } = this.#deps;
    const { signal } = this.#stopping;
    const unsubscribe = [membership.onChange(() => this.#bell.ring()), this.#mirror.onChange(() => this.#bell.ring())];
    let backoffMs = BACKOFF_FIRST_MS;
    try {
      await this.#mirror.start();
      while (!signal.aborted) {
        this.#bell.clear();
        let next: Next;
        try {
          next = await this.#step();
          if (next === 'look') {
            this.#stale = true;
            next = 0;
          }
          backoffMs = BACKOFF_FIRST_MS;
        } catch (error) {
          if (signal.aborted) return;
          ctx.log.warn({ err: error, spec: this.#ref.spc }, 'a step of coordination failed; trying again');
          this.#stale = true;
          next = backoffMs;
          backoffMs = Math.min(2 * backoffMs, BACKOFF_MAX_MS);
        }
        if (next === 'done') {
          this.#onDone();
          return;
        }
        if (!signal.aborted) await this.#bell.wait(next);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const end of unsubscribe) end();
      await this.#mirror.stop();
      await this.#coordination.stop();
    }
  }

  async #step(): Promise<Next> {
    const { ctx, self, membership } = this.#deps;
    const { signal } = this.#stopping;
    if (this.#stale) {
      this.#stale = false;
      this.#coordination.forget();
      if ((await this.#fence.read()) === undefined) return this.#leave(undefined);
    }
    const watched = this.#mirror.entries.get(this.#fence.key);
    const known = this.#fence.header;
    const header =
      known !== undefined && (watched === undefined || compareRevisions(watched.modRevision, known.modRevision) <= 0)
        ? known
        : watched;
    if (header === undefined) return this.#leave(undefined);
    const { state, coordinator } = header.record;
    if (isFinalSpec(header.record) || coordinator !== self) return this.#leave(header);
    if (state === 'writing' || state === 'dispatching') {
      if (!dispatcherGone(header, membership.snapshot())) return undefined;
      if (state === 'writing') {
        await freeWriting(this.#deps, this.#ref, header, signal);
        return 'look';
      }
      const taken = await takeDispatch(this.#deps, this.#ref, header, signal);
      if (taken !== undefined) {
        ctx.log.info({ spec: this.#ref.spc, cursor: taken.record.cursor }, 'the dispatch of a lost node goes on here');
        await this.#writeRecords(taken);
      }
      return 'look';
    }
    if (header.record.cursor < header.record.tasks) {
      await this.#writeRecords(header);
      return 'look';
    }
    if (!this.#coordination.planned || header !== known) {
      if (!(await this.#coordination.sync())) return 'look';
    }
    return this.#coordination.coordinate();
  }

  async #writeRecords(header: Stored<SpecHeader>): Promise<void> {
    // With a limit of its own, how many are queued already is counted from the first task on.
    const from = header.record.concurrency === undefined ? Math.min(header.record.cursor + 1, header.record.tasks) : 1;
    const bodies = this.#deps.bodies.all(this.#ref.spc, header.record, from);
    await writeRecords(this.#deps, this.#ref, header, bodies, this.#stopping.signal);
  }

  /** Nothing to coordinate here: the key that says otherwise goes, unless the header has changed again. */
  async #leave(header: Stored<SpecHeader> | undefined): Promise<Next> {
    const { ctx, self } = this.#deps;
    // The watch may be behind; what counts is the header now.
    const present = await readHeader(ctx, this.#ref);
    if (present !== undefined && present.modRevision !== header?.modRevision) return 'look';
    const revision = present?.modRevision ?? ('0' as Stored<SpecHeader>['modRevision']);
    const answer = await settleTxn(ctx, this.#stopping.signal, {
      compares: [unchanged(this.#fence.key, revision)],
      success: [{ op: 'delete', key: ctx.keys.coord(self, this.#ref.spc) }],
    });
    return answer.outcome === 'applied' ? 'done' : 0;
  }
}

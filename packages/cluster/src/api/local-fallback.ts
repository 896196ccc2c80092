/**
 * The operator's escape when the cluster cannot be trusted to reach its store: this node alone is taken out, without the
 * store's help. While it is on, the node claims nothing and takes no new work over its API; what runs goes on, results are
 * committed or kept as ever. What it held when it was switched on is written down for a person. It is a file, so it
 * survives a restart; switching it off removes it.
 *
 * When the store is there, the node also drains itself, so that others get its queue and nothing is placed on it; switched
 * off, it ends that drain, and only that one: it is told from an operator's by its actor.
 */
import { BoiError, formatDuration, sleep } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { drain, endDrain } from './node-admin.ts';

/** What a fallback file says; kept by the daemon beside its other data. */
export interface FallbackNote {
  /** Wall clock, milliseconds. */
  readonly since: number;
}

/** One line of the file: a task held, or a result kept. */
export type FallbackLine = Readonly<Record<string, unknown>>;

/** Durable; survives a restart of the daemon. */
export interface FallbackFile {
  /** Undefined: it is off. */
  read(): Promise<FallbackNote | undefined>;
  /** Resolves when it is on disk. */
  write(note: FallbackNote, lines: readonly FallbackLine[]): Promise<void>;
  remove(): Promise<void>;
}

/** Of a node without a disk: it is off, and switched on it lasts as long as the process. */
export const NO_FALLBACK_FILE: FallbackFile = {
  read: async () => undefined,
  write: async () => {},
  remove: async () => {},
};

/** In the node's settings: who drained it. */
const ACTOR = 'local-fallback';
const DRAIN_MS = 7 * 24 * 3_600_000;
const AGAIN_MS = 2_000;

export interface LocalFallbackOptions {
  readonly deps: NodeDeps;
  readonly file: FallbackFile;
  /** What is written down. */
  readonly lines: () => Promise<readonly FallbackLine[]>;
  /** Claims may be possible again. */
  readonly changed: () => void;
}

export class LocalFallback {
  readonly #options: LocalFallbackOptions;
  readonly #stopping = new AbortController();
  #note: FallbackNote | undefined;
  /** Settings are brought in line with `#note`, one after the other. */
  #settling: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void) | undefined;

  constructor(options: LocalFallbackOptions) {
    this.#options = options;
  }

  /** Since when it is on, wall clock; undefined: off. */
  get since(): number | undefined {
    return this.#note?.since;
  }

  /** Reads what an earlier life left; before the node claims anything. */
  async start(): Promise<void> {
    const { deps, file } = this.#options;
    this.#note = await file.read();
    this.#gauge();
    if (this.#note !== undefined) {
      deps.ctx.log.warn({ since: this.#note.since }, 'local fallback is on: this node takes no work');
    }
    this.#unsubscribe = deps.session.onLive(() => {
      if (this.#note !== undefined) this.#settle();
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping'));
    this.#unsubscribe?.();
    await this.#settling;
  }

  /** On disk, and in force, when it resolves; the store is told when it is there. Switched on again it writes anew. */
  async set(on: boolean): Promise<void> {
    const { deps, file, lines, changed } = this.#options;
    if (on) {
      const note = this.#note ?? { since: deps.ctx.clock.now() };
      // In force before what is held is listed: nothing is claimed between.
      this.#note = note;
      await file.write(note, await lines());
    } else {
      await file.remove();
      this.#note = undefined;
    }
    this.#gauge();
    deps.ctx.log.warn({}, on ? 'local fallback is on: this node takes no work' : 'local fallback is off');
    this.#settle();
    changed();
  }

  /** Throws `unavailable` for new work while it is on. */
  refuse(): void {
    if (this.#note === undefined) return;
    throw new BoiError(
      'unavailable',
      `${this.notice}; ask another node, or end it with \`boi-node cluster local-fallback --off\``,
      { retryAfterS: 60 },
    );
  }

  /** For the banner of every answer; undefined while it is off. */
  get notice(): string | undefined {
    if (this.#note === undefined) return undefined;
    const { ctx, self } = this.#options.deps;
    const forS = Math.max(0, Math.round((ctx.clock.now() - this.#note.since) / 1000));
    return `${self} is in local fallback for ${formatDuration(forS * 1000)} and takes no work`;
  }

  #gauge(): void {
    this.#options.deps.ctx.metrics.gauge('boi_core_local_fallback', this.#note === undefined ? 0 : 1);
  }

  #settle(): void {
    this.#settling = this.#settling.then(() => this.#configure());
  }

  /** Until the settings of this node say the same, or the store is away: the next session tries again. */
  async #configure(): Promise<void> {
    const { deps } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted && !deps.session.signal().aborted) {
      const conf = deps.membership.snapshot().members.get(deps.self)?.conf;
      const on = this.#note !== undefined;
      try {
        // The snapshot may not know yet what the turn before has written: only an operator's own drain is taken from it.
        const foreign = conf?.drain !== undefined && conf.drain.actor !== ACTOR;
        if (on && !foreign) await drain(deps, deps.self, DRAIN_MS, signal, { name: ACTOR });
        if (!on) await endDrain(deps, deps.self, signal, { name: ACTOR });
        return;
      } catch (error) {
        if (signal.aborted) return;
        deps.ctx.log.warn({ err: error }, 'the settings of this node could not follow its local fallback yet');
        await sleep(deps.ctx.clock, AGAIN_MS, signal).catch(() => undefined);
      }
    }
  }
}

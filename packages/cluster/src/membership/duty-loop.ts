/**
 * A duty that is done again and again by whoever holds it: sleep, ask whether this node is the holder, take a turn. A turn that
 * fails is logged and the next one tries again; two holders at once do no harm, which is the duty's own affair.
 */
import { sleep } from '@boi/core';
import type { NodeDeps } from '../deps.ts';
import { holdsDuty } from './duty.ts';

export interface DutyLoopOptions {
  /** Key of the duty, see duty.ts. */
  readonly duty: string;
  readonly everyMs: number;
  readonly turn: () => Promise<void>;
  /** Instead of a turn, while another node holds the duty. */
  readonly notHeld?: () => void;
  /** Log line of a turn that failed. */
  readonly failed: string;
}

export class DutyLoop {
  readonly #deps: NodeDeps;
  readonly #options: DutyLoopOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps, options: DutyLoopOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Aborts when the loop is stopped; `stop` waits for the turn that is under way. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error(`the duty ${this.#options.duty} stopped`));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { ctx, self, membership } = this.#deps;
    const { duty, everyMs, turn, notHeld, failed } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await sleep(ctx.clock, everyMs, signal);
        if (holdsDuty(self, duty, membership.snapshot())) await turn();
        else notHeld?.();
      } catch (error) {
        if (signal.aborted) return;
        ctx.log.warn({ err: error }, failed);
      }
    }
  }
}

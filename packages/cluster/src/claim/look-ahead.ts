/**
 * How many claims may be made ahead of a free slot, and which of them must go back: work that waits here for a slot must not
 * keep an idle node waiting for work. As many as slots came free lately, and none for longer than {@link WAIT_MS}. Where tasks are short,
 * what will start in {@link SOON_MS} is claimed by one request instead of one by one.
 */
import { handBack } from '../commit/hand-back.ts';
import type { NodeDeps } from '../deps.ts';
import type { Held, HeldTasks } from './held.ts';
import type { Runs } from './run.ts';

const AHEAD_MAX = 100;
/** Slots that came free in so long say how many will in the next, which is more than a claim takes. */
const TURNOVER_MS = 1_000;
/** So much work for the slots at once: far more than a request takes, and too little for another node to miss it. */
const SOON_MS = 100;
/** A claim made ahead is handed back when no slot was free for it in so long. */
const WAIT_MS = 2_000;

export interface LookAheadOptions {
  readonly deps: NodeDeps;
  readonly held: HeldTasks;
  readonly runs: Runs;
  /** Slots of this node. */
  readonly capacity: number;
  /** A claim is no longer held; whether that was this node's own doing. */
  readonly settled: (held: Held, applied: boolean) => void;
}

export class LookAhead {
  readonly #options: LookAheadOptions;
  /** When slots came free lately, oldest first. */
  readonly #freedMono: number[] = [];
  /** Since when claims made ahead wait. */
  readonly #aheadMono = new WeakMap<Held, number>();

  constructor(options: LookAheadOptions) {
    this.#options = options;
  }

  /** A task has ended here. */
  freed(): void {
    this.#freedMono.push(this.#options.deps.ctx.clock.mono());
    if (this.#freedMono.length > AHEAD_MAX) this.#freedMono.shift();
  }

  /** How many more may be claimed to wait here for a slot, where `waiting` do. */
  more(waiting: number): number {
    const { deps, capacity } = this.#options;
    const { clock, config } = deps.ctx;
    const sinceMono = clock.mono() - TURNOVER_MS;
    const turnover = this.#freedMono.filter((mono) => mono >= sinceMono).length;
    return aheadMore({ turnover, perSlot: capacity * config.lookAheadPerSlot, waiting });
  }

  /** Gives back what waits too long. Never rejects. */
  async handBackLate(): Promise<void> {
    const { deps, held, runs, settled } = this.#options;
    const { clock, log } = deps.ctx;
    const nowMono = clock.mono();
    const late: Held[] = [];
    for (const ahead of held.inPhase('ahead')) {
      const sinceMono = this.#aheadMono.get(ahead) ?? nowMono;
      this.#aheadMono.set(ahead, sinceMono);
      // One that smaller ones overtake keeps its turn: slots will be kept for it.
      if (nowMono - sinceMono >= WAIT_MS && !runs.wasPassedOver(ahead)) late.push(ahead);
    }
    if (late.length === 0) return;
    try {
      await handBack(deps, held, late, settled);
    } catch (error) {
      // The session ended: what is claimed and not held is looked at anew with the next one.
      if (!deps.session.signal().aborted) log.warn({ err: error }, 'claims made ahead could not be handed back');
    }
  }
}

/** `turnover`: slots that came free in the last {@link TURNOVER_MS}. `perSlot`: of these there is room at any turnover. */
export function aheadMore(now: {
  readonly turnover: number;
  readonly perSlot: number;
  readonly waiting: number;
}): number {
  const soon = Math.ceil((now.turnover * SOON_MS) / TURNOVER_MS);
  const room = Math.min(AHEAD_MAX, now.turnover, Math.max(Math.ceil(now.perSlot), soon));
  // Refilled when half of it is used up: a request for each that starts is what this is to save.
  return now.waiting > room / 2 ? 0 : room - now.waiting;
}

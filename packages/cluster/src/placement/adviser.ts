/**
 * Asks the router about tasks that are about to be placed, and lets nothing of it get in the way: an answer that is late, failed
 * or wrong is no answer, and placement goes on without. Only tasks that have a choice are asked about.
 *
 * A router that was late or failed several times in a row is left alone for a while, since each of its delays is one of
 * dispatch. Everything it says is checked here, whoever it is: a rating of a node that the task may not go to, or out of range,
 * makes the whole answer void.
 */
import { BoiError, type NodeId } from '@boi/core';
import type { ClusterContext } from '../context.ts';
import type { Member } from '../membership/membership-types.ts';
import { capabilitiesOf } from './placement.ts';
import type { Hints, PlacementFacts, RouteAsk, RouteCandidate, RoutedTask, RouterPort } from './placement-types.ts';

/** Placement waits so long at most, for all it asks at once. */
export const ADVICE_LIMIT_MS = 50;
/** Of one question; a contract of the router. */
const TASKS_MAX = 256;
/** Questions put at once; tasks beyond are placed without advice. */
const QUESTIONS_MAX = 4;
const PREFERENCE_MAX = 100;
/** So many bad answers in a row, and it is not asked for so long. */
const BAD_MAX = 3;
const REST_MS = 10_000;

/** What the placer knows of its candidates. */
export interface Field {
  readonly eligible: (facts: PlacementFacts) => readonly Member[];
  readonly load: (id: NodeId) => { readonly busy: number; readonly queued: number };
}

const NO_HINTS: Hints = new Map();

export class Adviser {
  readonly #ctx: Pick<ClusterContext, 'clock' | 'log' | 'metrics'>;
  readonly #router: RouterPort;
  #bad = 0;
  #restUntilMono = Number.NEGATIVE_INFINITY;

  constructor(ctx: Pick<ClusterContext, 'clock' | 'log' | 'metrics'>, router: RouterPort) {
    this.#ctx = ctx;
    this.#router = router;
  }

  get ready(): boolean {
    return this.#router.ready && this.#ctx.clock.mono() >= this.#restUntilMono;
  }

  /** Never rejects, and resolves within {@link ADVICE_LIMIT_MS}. */
  async ask(tasks: Iterable<RoutedTask>, field: Field): Promise<Hints> {
    const asks = questions(tasks, field);
    if (asks.length === 0) return NO_HINTS;
    const { clock } = this.#ctx;
    const over = new AbortController();
    const late = new BoiError('unavailable', `no advice within ${ADVICE_LIMIT_MS} ms`);
    const timer = clock.timer(ADVICE_LIMIT_MS, () => over.abort(late));
    const sentMono = clock.mono();
    try {
      const answers = await Promise.all(asks.map((ask) => this.#askOne(ask, over.signal)));
      this.#ctx.metrics.observe('boi_core_router_seconds', (clock.mono() - sentMono) / 1_000);
      return new Map(answers.flatMap((hints) => [...hints]));
    } finally {
      timer.cancel();
      over.abort(late);
    }
  }

  async #askOne(ask: RouteAsk, signal: AbortSignal): Promise<Hints> {
    try {
      const hints = await Promise.race([this.#router.hint(ask, signal), aborted(signal)]);
      const wrong = problemOf(ask, hints);
      if (wrong !== undefined) return this.#told('invalid', new BoiError('unavailable', wrong));
      this.#bad = 0;
      this.#count('used');
      return hints;
    } catch (error) {
      return this.#told(signal.aborted ? 'late' : 'failed', error);
    }
  }

  #told(outcome: 'late' | 'failed' | 'invalid', error: unknown): Hints {
    const { clock, log } = this.#ctx;
    this.#count(outcome);
    this.#bad++;
    if (this.#bad < BAD_MAX) log.debug({ err: error }, 'placing without the advice of the router');
    else {
      this.#bad = 0;
      this.#restUntilMono = clock.mono() + REST_MS;
      log.warn({ err: error, restMs: REST_MS }, 'the router gives no usable advice; it is not asked for a while');
    }
    return NO_HINTS;
  }

  #count(outcome: string): void {
    this.#ctx.metrics.count('boi_core_router_answers_total', 1, { outcome });
  }
}

function questions(tasks: Iterable<RoutedTask>, { eligible, load }: Field): RouteAsk[] {
  const asks: { tasks: (RoutedTask & { eligible: readonly NodeId[] })[]; candidates: Map<NodeId, RouteCandidate> }[] =
    [];
  for (const task of tasks) {
    const members = eligible(task.facts);
    if (members.length < 2) continue;
    let ask = asks.at(-1);
    if (ask === undefined || ask.tasks.length === TASKS_MAX) {
      if (asks.length === QUESTIONS_MAX) break;
      ask = { tasks: [], candidates: new Map() };
      asks.push(ask);
    }
    ask.tasks.push({ ...task, eligible: members.map(({ id }) => id) });
    for (const member of members) {
      const { id, record } = member;
      if (ask.candidates.has(id)) continue;
      ask.candidates.set(id, { id, slots: record.slots, ...load(id), capabilities: capabilitiesOf(member) });
    }
  }
  return asks.map((ask) => ({ tasks: ask.tasks, candidates: [...ask.candidates.values()] }));
}

/** What is wrong with an answer, undefined if nothing. */
function problemOf({ tasks }: RouteAsk, hints: Hints): string | undefined {
  const eligible = new Map<string, readonly string[]>(tasks.map(({ task, eligible: nodes }) => [task, nodes]));
  for (const [task, ratings] of hints) {
    const nodes = eligible.get(task);
    if (nodes === undefined) return 'it rates a task that it was not asked about';
    for (const [node, preference] of ratings) {
      if (!nodes.includes(node)) return `it rates a node for ${task} that the task may not go to`;
      if (typeof preference !== 'number' || !(preference >= 0 && preference <= PREFERENCE_MAX))
        return `a preference must be from 0 to ${PREFERENCE_MAX}`;
    }
  }
  return undefined;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

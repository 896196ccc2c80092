/**
 * Sends the first transactions of specs: one that has no company at once, and those that come while a request has the turn
 * together with the next. Made by dispatch.ts, one a node.
 *
 *   nobody has the turn ──one comes──► a request has it ──answered──► the next gathers ──a moment──► a request has it
 *                                                       ──nobody waits, nobody is expected──► nobody has the turn
 *                                                       ──silent for long──► the next has it
 *
 * It gathers for a turn of the event loop, which is a millisecond at most: who was answered just now often comes again, and
 * would miss the request by the time that takes. Who follows a request that had nobody beside it never waits for that.
 *
 * Together they are one batch whose items are the very transactions, so each has its own compares and its own answer:
 *
 *   refused   that one alone
 *   unknown   the identical request again until its answer is definite; the turn is the next one's meanwhile
 *   thrown    the store takes the request for none, or refuses to write at all. Each goes again by itself, so that what is
 *             wrong with one is told of that one alone; as a second sending, whatever has become of the first
 *
 * Who waits longer than its caller never goes: `begin` is called when a transaction is sent, and may refuse. Two that write
 * the same key (an idempotency key used twice) never share a request. A large one goes by itself, beside the others.
 */
import { assert, type Timer } from '@boi/core';
import { batchItemsMax, type Txn, type TxnAnswer } from '@boi/store';
import { type Settled, settle } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';

/** Compares, writes or reads of one that shares a request: a spec of about ten tasks. */
const SHARED_WIDTH_MAX = 16;
/** Characters of its values. */
const SHARED_CHARS_MAX = 64_000;
/** In one request; the store's limit leaves room for keys and compares. */
const BATCH_MAX = batchItemsMax(0, SHARED_WIDTH_MAX);
const BATCH_CHARS_MAX = 600_000;
/** A request without an answer for so long keeps nobody waiting: many times what the store takes, well below a caller's patience. */
const TURN_MS = 100;
/** Those of a shared request are expected again for so long after its answer. */
const EXPECTED_MS = 5;

interface Waiting {
  readonly txn: Txn;
  readonly begin: () => void;
  readonly resolve: (answer: Settled<TxnAnswer>) => void;
  readonly reject: (error: unknown) => void;
}

interface Turn {
  readonly sinceMono: number;
  readonly shared: boolean;
}

export class Openings {
  readonly #ctx: Pick<ClusterContext, 'store' | 'clock' | 'metrics'>;
  readonly #signal: AbortSignal;
  #waiting: Waiting[] = [];
  #turn: Turn | undefined;
  /** While the next request gathers. */
  #gathering: Timer | undefined;
  /** Until then those of the last shared request are expected again. */
  #expectedMono = Number.NEGATIVE_INFINITY;
  /** Looks now and then, while somebody waits, whether the turn has been held for long. */
  #look: Timer | undefined;

  /** When `signal` aborts everything not answered is rejected: whether it was applied is then still unknown. */
  constructor(ctx: Pick<ClusterContext, 'store' | 'clock' | 'metrics'>, signal: AbortSignal) {
    this.#ctx = ctx;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** The answer, once definite. `begin` is called right before it is sent the first time; what it throws rejects instead. */
  async send(txn: Txn, begin: () => void): Promise<Settled<TxnAnswer>> {
    this.#signal.throwIfAborted();
    if (widthOf(txn) > SHARED_WIDTH_MAX || charsOf(txn) > SHARED_CHARS_MAX) {
      begin();
      return this.#settle(txn);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ txn, begin, resolve, reject });
      this.#go();
    });
  }

  #stop(): void {
    this.#look?.cancel();
    this.#gathering?.cancel();
    for (const { reject } of this.#waiting.splice(0)) reject(this.#signal.reason);
  }

  /** One more waits. */
  #go(): void {
    if (this.#turn !== undefined) this.#lookLater();
    else if (this.#gathering === undefined) {
      if (this.#ctx.clock.mono() < this.#expectedMono) this.#gather();
      else this.#sendNext();
    }
  }

  #gather(): void {
    this.#gathering = this.#ctx.clock.timer(0, () => {
      this.#gathering = undefined;
      this.#sendNext();
    });
  }

  #sendNext(): void {
    while (this.#turn === undefined && this.#waiting.length > 0) {
      const group = this.#next().filter(begun);
      if (group.length === 0) continue;
      const turn: Turn = { sinceMono: this.#ctx.clock.mono(), shared: group.length > 1 };
      this.#turn = turn;
      void this.#send(group, () => this.#over(turn));
    }
    if (this.#waiting.length > 0) this.#lookLater();
  }

  /** Answered. */
  #over(turn: Turn): void {
    if (this.#turn !== turn) return;
    this.#turn = undefined;
    if (turn.shared) this.#expectedMono = this.#ctx.clock.mono() + EXPECTED_MS;
    if (this.#waiting.length > 0) this.#gather();
  }

  #lookLater(): void {
    if (this.#look !== undefined || this.#turn === undefined) return;
    const { clock } = this.#ctx;
    // Whole milliseconds: a remainder below the clock's resolution would never pass.
    const leftMs = Math.max(1, Math.ceil(this.#turn.sinceMono + TURN_MS - clock.mono()));
    this.#look = clock.timer(leftMs, () => {
      this.#look = undefined;
      const turn = this.#turn;
      if (turn !== undefined && clock.mono() - turn.sinceMono >= TURN_MS) {
        this.#turn = undefined;
        this.#sendNext();
      } else if (this.#waiting.length > 0) this.#lookLater();
    });
  }

  /** Takes those that go with the next request, in the order they came. */
  #next(): Waiting[] {
    const group: Waiting[] = [];
    const left: Waiting[] = [];
    const written = new Set<string>();
    let chars = 0;
    for (const one of this.#waiting) {
      const keys = one.txn.success.map(({ key }) => key);
      chars += charsOf(one.txn);
      if (group.length === BATCH_MAX || chars > BATCH_CHARS_MAX || keys.some((key) => written.has(key))) left.push(one);
      else group.push(one);
      // Of one that is left too: a later one with the same key goes behind it.
      for (const key of keys) written.add(key);
    }
    this.#waiting = left;
    return group;
  }

  /** Never rejects. `answered`: of the first sending, whatever it was. */
  async #send(group: readonly Waiting[], answered: () => void): Promise<void> {
    const [only] = group;
    if (group.length === 1 && only !== undefined) {
      await this.#settle(only.txn, answered).then(only.resolve, only.reject);
      return;
    }
    const items = group.map(({ txn }) => txn);
    try {
      const answer = await settle(this.#ctx, this.#signal, () =>
        this.#ctx.store.batch({ compares: [], items }).finally(answered),
      );
      assert(answer.outcome === 'applied', 'a batch that compares nothing is not refused');
      const { revision, resent } = answer;
      for (const [i, { resolve }] of group.entries()) {
        const item = answer.items[i];
        assert(item !== undefined, 'each item of a batch has its answer');
        resolve({ ...item, revision, resent });
      }
    } catch (error) {
      for (const { txn, resolve, reject } of group) {
        if (this.#signal.aborted) reject(error);
        else this.#settle(txn).then((answer) => resolve({ ...answer, resent: true }), reject);
      }
    }
  }

  #settle(txn: Txn, answered?: () => void): Promise<Settled<TxnAnswer>> {
    return settle(this.#ctx, this.#signal, () => this.#ctx.store.txn(txn).finally(answered));
  }
}

function begun({ begin, reject }: Waiting): boolean {
  try {
    begin();
    return true;
  } catch (error) {
    reject(error);
    return false;
  }
}

function widthOf({ compares, success, failure = [] }: Txn): number {
  return Math.max(compares.length, success.length, failure.length);
}

function charsOf({ success }: Txn): number {
  return success.reduce((sum, op) => sum + (op.op === 'put' ? op.value.length : 0), 0);
}

/**
 * What must hold of one task from record to record: attempts only grow, a claim is one delivery more and never more than are
 * allowed, what is taken or given back is at most that one less, and `poison` is given only after the last one allowed.
 */
import type { QueueEntry, ResultRecord } from '@boi/cluster';
import type { TaskId } from '@boi/core';

interface Last {
  readonly attempt: number;
  readonly deliveries: number;
  readonly nonce: string | undefined;
}

export class TaskRules {
  readonly #deliveriesMax: number;
  readonly #violate: (what: string) => void;
  readonly #last = new Map<TaskId, Last>();

  constructor(deliveriesMax: number, violate: (what: string) => void) {
    this.#deliveriesMax = deliveriesMax;
    this.#violate = violate;
  }

  /** `fresh`: dispatched or released, not moved. */
  entry(task: TaskId, { attempt, deliveries, claim }: QueueEntry, fresh: boolean): void {
    const last = this.#last.get(task);
    const nonce = claim?.nonce;
    this.#last.set(task, { attempt, deliveries, nonce });
    if (deliveries > this.#deliveriesMax) this.#violate(`${task} is delivered ${deliveries} times`);
    if (last === undefined) return;
    const was = `attempt ${last.attempt}, delivery ${last.deliveries}${last.nonce === undefined ? '' : ', claimed'}`;
    const is = `attempt ${attempt}, delivery ${deliveries}${nonce === undefined ? '' : ', claimed'}`;
    const wrong = () => this.#violate(`${task} went from ${was} to ${is}`);
    if (attempt < last.attempt) wrong();
    if (fresh || attempt < last.attempt) return;
    if (attempt > last.attempt) {
      if (attempt !== last.attempt + 1 || deliveries !== 0 || nonce !== undefined) wrong();
    } else if (nonce !== undefined) {
      if (deliveries !== last.deliveries + (nonce === last.nonce ? 0 : 1)) wrong();
    } else {
      const back = last.deliveries - deliveries;
      if (back !== 0 && !(back === 1 && last.nonce !== undefined)) wrong();
    }
  }

  result(task: TaskId, { outcome, attempt, delivery }: ResultRecord): void {
    if (outcome === 'poison' && delivery !== this.#deliveriesMax)
      this.#violate(`${task} is poison after ${delivery} deliveries`);
    const last = this.#last.get(task);
    if (last !== undefined && attempt < last.attempt)
      this.#violate(`${task} ended in attempt ${attempt}, which was over: it is at ${last.attempt}`);
  }
}

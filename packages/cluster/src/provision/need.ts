/**
 * What kind of node tasks wait for: their requirements and slots, the order in which they are written aside. Tasks of one need
 * share one request for a node. A task with a target waits for certain nodes, which no provisioner can make; it needs none.
 */
import type { Requirement } from '@boi/core';
import { keyHash } from '../base/hash.ts';
import type { Change } from '../base/mirror.ts';
import type { MembershipSnapshot } from '../membership/membership-types.ts';
import { matches } from '../placement/placement.ts';
import type { QueueEntry } from '../records.ts';
import type { ProvisionRecord } from './records.ts';

export interface Need {
  readonly hash: string;
  readonly requires: readonly Requirement[];
  readonly slots: number;
}

export function needOf({
  requires = [],
  slots = 1,
  target,
}: Pick<QueueEntry, 'requires' | 'slots' | 'target'>): Need | undefined {
  if (target !== undefined) return undefined;
  const sorted = (requires as readonly Requirement[])
    .map((each) => JSON.stringify('values' in each ? { ...each, values: [...each.values].sort() } : each))
    .sort();
  const hash = keyHash(JSON.stringify([slots, ...new Set(sorted)]));
  return { hash, requires: requires as readonly Requirement[], slots };
}

/** A live node is of the right kind, whatever state it is in: busy, cordoned or cooling is not missing. */
export function isMet(need: Pick<ProvisionRecord, 'requires' | 'slots'>, snapshot: MembershipSnapshot): boolean {
  const facts = { requires: need.requires as readonly Requirement[], slots: need.slots };
  return [...snapshot.members.values()].some((member) => matches(member, facts, snapshot));
}

export interface Waiting extends Need {
  readonly tasks: number;
  /** When this node first saw one of them, monotonic. */
  readonly sinceMono: number;
}

/** The tasks under `unassigned` by need, kept current change by change: there may be very many. */
export class Needs {
  readonly #byHash = new Map<string, Waiting>();
  readonly #ofKey = new Map<string, string>();

  heard(changes: readonly Pick<Change<QueueEntry>, 'key' | 'after'>[], nowMono: number): void {
    for (const { key, after } of changes) {
      const need = after === undefined ? undefined : needOf(after.record);
      const before = this.#ofKey.get(key);
      if (before === need?.hash) continue;
      if (before !== undefined) this.#drop(key, before);
      if (need !== undefined) this.#add(key, need, nowMono);
    }
  }

  get(hash: string): Waiting | undefined {
    return this.#byHash.get(hash);
  }

  all(): readonly Waiting[] {
    return [...this.#byHash.values()].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  }

  clear(): void {
    this.#byHash.clear();
    this.#ofKey.clear();
  }

  #add(key: string, need: Need, sinceMono: number): void {
    const known = this.#byHash.get(need.hash);
    this.#byHash.set(need.hash, { sinceMono, ...need, ...known, tasks: (known?.tasks ?? 0) + 1 });
    this.#ofKey.set(key, need.hash);
  }

  #drop(key: string, hash: string): void {
    const known = this.#byHash.get(hash) as Waiting;
    this.#ofKey.delete(key);
    if (known.tasks === 1) this.#byHash.delete(hash);
    else this.#byHash.set(hash, { ...known, tasks: known.tasks - 1 });
  }
}

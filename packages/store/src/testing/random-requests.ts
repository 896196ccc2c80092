/** Random calls of the store port from a seed, valid and not, for comparing one adapter with another. */
import type { SeededRandom } from '@boi/core/testing';
import { type Batch, type Compare, type Op, prefixEnd, type RangeQuery, type Revision, type Txn } from '../port.ts';

/** A lease is named by its place in the order of grants; each store has its own id for it. */
export type LeaseNumber = number;

export type Step =
  | { readonly do: 'get'; readonly key: string }
  | { readonly do: 'range'; readonly query: RangeQuery }
  | { readonly do: 'txn'; readonly txn: (lease: LeaseOf) => Txn }
  | { readonly do: 'batch'; readonly batch: (lease: LeaseOf) => Batch }
  | { readonly do: 'compact'; readonly revision: Revision }
  | { readonly do: 'grant'; readonly ttlMs: number }
  | { readonly do: 'revoke' | 'keepAlive'; readonly lease: LeaseNumber }
  | { readonly do: 'watch'; readonly start: string; readonly end: string; readonly fromRevision: Revision };

type LeaseOf = (lease: LeaseNumber) => NonNullable<Extract<Op, { op: 'put' }>['lease']>;

/** What a step may refer to. */
export interface Known {
  readonly prefix: string;
  /** The oldest and the newest revision worth naming. */
  readonly first: bigint;
  readonly last: bigint;
  readonly leases: number;
}

const NAMES = ['a', 'a/1', 'a/2', 'a0', 'b', 'b/1', 'c', 'c/1', 'c/2', 'd'];
const VALUES = ['', 'x', 'y', 'grün', 'z'.repeat(300)];

export function randomStep(random: SeededRandom, known: Known): Step {
  const kind = random.int(100);
  if (kind < 35) {
    const txn = randomTxn(random, known, 4);
    return { do: 'txn', txn };
  }
  if (kind < 60) return { do: 'batch', batch: randomBatch(random, known) };
  if (kind < 68) return { do: 'get', key: randomKey(random, known) };
  if (kind < 82) return { do: 'range', query: randomRange(random, known) };
  if (kind < 85) return { do: 'compact', revision: randomRevision(random, known) };
  // Long: one that expired on a loaded machine would make a revision on one side only.
  if (kind < 89 || known.leases === 0) return { do: 'grant', ttlMs: 3_600_000 + random.int(1_000_000) };
  if (kind < 93) return { do: random.next() < 0.5 ? 'revoke' : 'keepAlive', lease: random.int(known.leases) };
  const [start, end] = randomInterval(random, known);
  const fromRevision = String(BigInt(randomRevision(random, known)) + 1n) as Revision;
  return { do: 'watch', start, end, fromRevision };
}

function randomBatch(random: SeededRandom, known: Known): (lease: LeaseOf) => Batch {
  const outer = randomTxn(random, known, 2);
  const keys = shuffled(random, NAMES);
  // Now and then one item too many, or a key twice.
  const count = random.next() < 0.03 ? 127 : random.int(6);
  const items = Array.from({ length: count }, (_, i) => {
    const own = random.next() < 0.95 ? `${known.prefix}${keys[i % keys.length]}/item${i}` : randomKey(random, known);
    return randomTxn(random, known, 2, [own, `${own}.`]);
  });
  return (lease) => {
    const { compares, success, failure } = outer(lease);
    return { compares, success: success.slice(0, 2), items: items.map((item) => item(lease)), failure: failure ?? [] };
  };
}

function randomTxn(
  random: SeededRandom,
  known: Known,
  opsMax: number,
  keys?: readonly string[],
): (lease: LeaseOf) => Txn {
  const names = keys ?? shuffled(random, NAMES).map((name) => known.prefix + name);
  const compares = Array.from({ length: random.int(3) }, () => randomCompare(random, known));
  const part = () => {
    const count = random.next() < 0.01 ? 129 : random.int(opsMax + 1);
    return Array.from({ length: count }, (_, i) => randomOp(random, known, names[i % names.length] as string));
  };
  const success = part();
  const failure = part();
  return (lease) => ({ compares, success: success.map((op) => op(lease)), failure: failure.map((op) => op(lease)) });
}

function randomOp(random: SeededRandom, known: Known, key: string): (lease: LeaseOf) => Op {
  const kind = random.int(10);
  if (kind < 5) {
    const value = random.pick(VALUES);
    if (known.leases === 0 || random.next() < 0.6) return () => ({ op: 'put', key, value });
    const number = random.int(known.leases);
    return (lease) => ({ op: 'put', key, value, lease: lease(number) });
  }
  if (kind < 7) return () => ({ op: 'get', key });
  if (kind < 9) return () => ({ op: 'delete', key });
  return () => ({ op: 'delete', key, end: prefixEnd(key) });
}

function randomCompare(random: SeededRandom, known: Known): Compare {
  const key = randomKey(random, known);
  if (random.next() < 0.3) return { key, target: 'value', op: random.pick(['=', '!=']), value: random.pick(VALUES) };
  const revision = random.next() < 0.4 ? ('0' as Revision) : randomRevision(random, known);
  return { key, target: random.pick(['mod', 'create']), op: random.pick(['=', '<', '>', '!=']), revision };
}

function randomRange(random: SeededRandom, known: Known): RangeQuery {
  const [start, end] = randomInterval(random, known);
  return {
    start,
    end,
    ...(random.next() < 0.5 ? { revision: randomRevision(random, known) } : {}),
    ...(random.next() < 0.5 ? { limit: 1 + random.int(4) } : {}),
    ...(random.next() < 0.3 ? { keysOnly: true } : {}),
  };
}

/** A prefix, or anything between two names, which may be nothing. */
function randomInterval(random: SeededRandom, known: Known): [string, string] {
  const start = random.next() < 0.3 ? known.prefix : randomKey(random, known);
  return [start, random.next() < 0.7 ? prefixEnd(start) : randomKey(random, known)];
}

function randomKey(random: SeededRandom, known: Known): string {
  return known.prefix + random.pick(NAMES);
}

/** Mostly one that was; now and then one that is still to come. */
function randomRevision(random: SeededRandom, known: Known): Revision {
  const span = Number(known.last - known.first) + (random.next() < 0.1 ? 3 : 1);
  return String(known.first + BigInt(random.int(span))) as Revision;
}

function shuffled<T>(random: SeededRandom, items: readonly T[]): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i -= 1) {
    const j = random.int(i + 1);
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}

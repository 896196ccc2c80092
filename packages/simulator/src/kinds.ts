/**
 * Everything a seed may draw, by name, and how often it came: main.ts prints the counts, coverage.test.ts proves that no
 * kind is there in name only. Counted where it takes effect, not where it was meant.
 */

/** What happens to processes, hosts, the network and the store. */
export const FAULTS = [
  'crash',
  'crash with the disk lost',
  'power cut of all nodes',
  'restart with its disk',
  'session of the last life known',
  'restart without its disk',
  'pause of a process',
  'stop of a daemon',
  'node joins',
  'partition, two-way',
  'partition, replies lost',
  'partition, requests lost',
  'request lost',
  'reply lost',
  'call refused',
  'request late',
  'request after its deadline',
  'reply late',
  'duplicate delivery',
  'watch delayed',
  'watches blind for long',
  'watch cut',
  'compaction under watches',
  'store slow',
  'lease expired',
  'clock drifts',
  'wall clock jumps',
  'disk refuses to write',
  'disk refuses to forget',
  'provisioner refuses',
  'provisioner fails',
  'provisioned node never comes',
  'provisioned node comes late',
  'provisioned node of the wrong kind',
  'router advises',
] as const;

/** What the workers' tasks do. */
export const BEHAVIOURS = [
  'task fails',
  'task hangs',
  'task floods its output',
  'task cannot start',
  'task kills its node',
] as const;

/** What people do. */
export const OPERATIONS = [
  'dispatch',
  'drain',
  'cordon',
  'uncordon',
  'pause of the cluster',
  'spec cancel',
  'spec cancel again',
  'task cancel',
  'task cancel again',
  'task retry',
  'spec retry',
  'task kill',
  'node removed',
] as const;

/** What the specs that are dispatched have. */
export const FEATURES = [
  'spec of one task',
  'spec written in parts',
  'needs',
  'when failure',
  'when always',
  'policy continue',
  'concurrency limit',
  'retries',
  'exclusive',
  'concurrency key',
  'slots',
  'requires',
  'priority',
  'requires what no node has',
] as const;

/** Interleavings that one rule of the protocol is there for: see ambush.ts. */
export const AMBUSHES = [
  'adopter held while the dead node comes back',
  'put held while its target dies',
  'coordinator held while the header changes',
  'claim held beyond its deadline',
  'cancel mark held while the claim changes',
  'node restarted before the others with a kept result',
  'result left on a disk that its task comes back to',
] as const;

/** What the protocol was seen to do about it. */
export const REACTIONS = [
  'adopted',
  'stolen',
  'rebalanced',
  'wedged',
  'drained',
  'handed-back',
  'retry',
  'placed',
  'killed',
  'claimed anew',
  'poison',
  'skipped',
  'cancelled',
  'dispatch resumed',
  'coordinator replaced',
  'archived',
  'provisioned',
  'deprovisioned',
] as const;

export const KINDS = [...FAULTS, ...BEHAVIOURS, ...OPERATIONS, ...FEATURES, ...AMBUSHES, ...REACTIONS] as const;
export type Kind = (typeof KINDS)[number];

export type Counts = Readonly<Record<Kind, number>>;

export class Tally {
  readonly #counts = new Map<Kind, number>();

  add(kind: Kind): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
  }

  get counts(): Counts {
    return Object.fromEntries(KINDS.map((kind) => [kind, this.#counts.get(kind) ?? 0])) as Counts;
  }
}

export function sumCounts(all: readonly Counts[]): Counts {
  return Object.fromEntries(KINDS.map((kind) => [kind, all.reduce((sum, counts) => sum + counts[kind], 0)])) as Counts;
}

export function isMove(why: string): why is (typeof REACTIONS)[number] {
  return (REACTIONS as readonly string[]).includes(why);
}

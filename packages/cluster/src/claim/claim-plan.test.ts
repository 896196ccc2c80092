import { type ProjectId, type SpecId, type TaskId, taskId } from '@boi/core';
import { toRevision } from '@boi/store';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { QueueEntry } from '../records.ts';
import { type Candidate, compareCandidates, type Lane, PASS_MAX, type PlanInput, planClaims } from './claim-plan.ts';

const SPEC = 'spc_01hzzzzzzzzzzzzzzzzzzz0000' as SpecId;
const A = 'prj_01hzzzzzzzzzzzzzzzzzzzzzza' as ProjectId;
const B = 'prj_01hzzzzzzzzzzzzzzzzzzzzzzb' as ProjectId;

interface Spec {
  readonly i: number;
  readonly project?: ProjectId;
  readonly slots?: number;
  readonly priority?: number;
  readonly deliveries?: number;
  readonly lock?: { hash: string; limit: number };
}

function candidate({ i, project = A, slots, priority, deliveries = 0, lock }: Spec): Candidate {
  const task = taskId(SPEC, i);
  const record: QueueEntry = {
    v: 1,
    prj: project,
    attempt: 1,
    deliveries,
    queuedAt: 0,
    ...(slots === undefined ? {} : { slots }),
    ...(priority === undefined ? {} : { priority }),
    ...(lock === undefined ? {} : { lock }),
  };
  const revision = toRevision(i);
  return { task, stored: { key: task, record, createRevision: revision, modRevision: revision }, lost: false };
}

function lanesOf(specs: readonly Spec[]): Lane[] {
  const lanes = new Map<string, Lane & { candidates: Candidate[] }>();
  for (const spec of specs) {
    const one = candidate(spec);
    const slots = spec.slots ?? 1;
    const deliveries = Math.min(spec.deliveries ?? 0, 2) as 0 | 1 | 2;
    const project = spec.project ?? A;
    const key = JSON.stringify([project, slots, deliveries, spec.lock]);
    const lane = lanes.get(key) ?? {
      project,
      slots,
      deliveries,
      candidates: [],
      ...(spec.lock === undefined ? {} : { lock: spec.lock }),
    };
    lane.candidates.push(one);
    lane.candidates.sort(compareCandidates);
    lanes.set(key, lane);
  }
  return [...lanes.values()];
}

function input(specs: readonly Spec[], more: Partial<PlanInput> = {}): PlanInput {
  return {
    lanes: lanesOf(specs),
    freeSlots: 4,
    capacity: 4,
    startMax: 100,
    aheadMax: 0,
    riskyHere: false,
    passedOver: new Map(),
    served: new Map(),
    share: () => 1,
    lockSlots: () => [],
    busy: () => false,
    ...more,
  };
}

const indexes = (plan: ReturnType<typeof planClaims>) =>
  plan.picks.map(({ candidate: { task } }) => Number.parseInt(task.slice(26), 32));
const many = (count: number, more: Omit<Spec, 'i'> = {}, from = 1): Spec[] =>
  Array.from({ length: count }, (_, n) => ({ i: from + n, ...more }));

describe('the order of claims', () => {
  test('is priority, then id', () => {
    const plan = planClaims(input([{ i: 3 }, { i: 1 }, { i: 2, priority: 5 }, { i: 4, priority: -1 }]));
    expect(indexes(plan)).toEqual([2, 1, 3, 4]);
  });

  test('gives every project its turn, however much another has queued', () => {
    const specs = [...many(10, { project: A }), ...many(10, { project: B }, 11)];
    expect(indexes(planClaims(input(specs)))).toEqual([1, 11, 2, 12].map((i) => i));
  });

  test('weighs projects by their share, over several plans', () => {
    let served: PlanInput['served'] = new Map();
    const counts = new Map<string, number>();
    for (let round = 0; round < 20; round++) {
      const specs = [...many(10, { project: A }), ...many(10, { project: B }, 11)];
      const plan = planClaims(input(specs, { served, share: (project) => (project === A ? 3 : 1) }));
      served = plan.served;
      for (const { candidate } of plan.picks)
        counts.set(candidate.stored.record.prj, (counts.get(candidate.stored.record.prj) ?? 0) + 1);
    }
    expect(counts.get(A)).toBe(60);
    expect(counts.get(B)).toBe(20);
  });

  test('a project that comes back has saved nothing up', () => {
    const busy = planClaims(input(many(4, { project: A }), { served: new Map([[A, 1_000]]) }));
    const specs = [...many(10, { project: A }), ...many(10, { project: B }, 11)];
    expect(indexes(planClaims(input(specs, { served: busy.served })))).toHaveLength(4);
    expect(indexes(planClaims(input(specs, { served: busy.served }))).filter((i) => i <= 10)).toHaveLength(2);
  });
});

describe('slots', () => {
  test('are never promised twice', () => {
    expect(indexes(planClaims(input(many(10), { freeSlots: 3 })))).toEqual([1, 2, 3]);
    expect(indexes(planClaims(input(many(10, { slots: 2 }), { freeSlots: 3 })))).toEqual([1]);
  });

  test('a task that needs none always fits', () => {
    expect(indexes(planClaims(input(many(5, { slots: 0 }), { freeSlots: 0 })))).toEqual([1, 2, 3, 4, 5]);
  });

  test('a large entry is passed over at most ten times, then slots are kept for it', () => {
    const specs = [{ i: 1, slots: 4 }, ...many(30, {}, 2)];
    let passedOver: PlanInput['passedOver'] = new Map();
    let overtaking = 0;
    for (let round = 0; round < 20; round++) {
      const plan = planClaims(input(specs, { freeSlots: 1, passedOver }));
      passedOver = plan.passedOver;
      overtaking += plan.picks.length;
    }
    expect(overtaking).toBe(PASS_MAX);
    expect(planClaims(input(specs, { freeSlots: 1, passedOver })).heldFor).toBe(taskId(SPEC, 1));
    expect(indexes(planClaims(input(specs, { freeSlots: 4, passedOver })))).toEqual([1]);
  });

  test('an entry larger than the node holds nothing up', () => {
    const plan = planClaims(
      input([{ i: 1, slots: 9 }, ...many(4, {}, 2)], { passedOver: new Map([[taskId(SPEC, 1), 99]]) }),
    );
    expect(indexes(plan)).toEqual([2, 3, 4, 5]);
    expect(plan.heldFor).toBeUndefined();
  });

  test('while slots are kept nothing is claimed ahead', () => {
    const specs = [{ i: 1, slots: 4 }, ...many(5, {}, 2)];
    const passedOver = new Map([[taskId(SPEC, 1), PASS_MAX]]);
    expect(planClaims(input(specs, { freeSlots: 1, aheadMax: 4, passedOver })).picks).toEqual([]);
  });
});

describe('claims ahead', () => {
  test('go beyond the free slots, as far as allowed', () => {
    const plan = planClaims(input(many(10), { freeSlots: 2, aheadMax: 3 }));
    expect(plan.picks.map(({ ahead }) => ahead)).toEqual([false, false, true, true, true]);
  });

  test('are only for entries never delivered before and without a concurrency key', () => {
    const specs = [{ i: 1, deliveries: 1 }, { i: 2, lock: { hash: 'h', limit: 1 } }, { i: 3 }];
    const plan = planClaims(input(specs, { freeSlots: 0, aheadMax: 5, lockSlots: () => [0] }));
    expect(indexes(plan)).toEqual([3]);
  });
});

describe('entries whose claims were lost', () => {
  test('twice or more start one at a time', () => {
    const specs = many(3, { deliveries: 2 });
    expect(indexes(planClaims(input(specs)))).toEqual([1]);
    expect(indexes(planClaims(input(specs, { riskyHere: true })))).toEqual([]);
  });

  test('once start like any other', () => {
    expect(indexes(planClaims(input(many(3, { deliveries: 1 }), { riskyHere: true })))).toEqual([1, 2, 3]);
  });
});

describe('concurrency keys', () => {
  test('no more entries are taken than slots may be free, each with its own', () => {
    const plan = planClaims(input(many(4, { lock: { hash: 'h', limit: 2 } }), { lockSlots: () => [1, 0] }));
    expect(plan.picks.map(({ lockSlot }) => lockSlot)).toEqual([1, 0]);
  });

  test('entries of other lanes with the same key share the slots', () => {
    const specs = [
      { i: 1, lock: { hash: 'h', limit: 1 } },
      { i: 2, slots: 2, lock: { hash: 'h', limit: 1 } },
      { i: 3 },
    ];
    expect(indexes(planClaims(input(specs, { lockSlots: () => [0] })))).toEqual([1, 3]);
  });
});

test('what is being ended here is left alone', () => {
  const busy = taskId(SPEC, 1);
  expect(indexes(planClaims(input(many(3), { busy: (task: TaskId) => task === busy })))).toEqual([2, 3]);
});

test('whatever is queued: slots are not exceeded, nothing is picked twice, order holds among equals', () => {
  const spec = fc.record({
    slots: fc.integer({ min: 0, max: 6 }),
    priority: fc.integer({ min: -2, max: 2 }),
    deliveries: fc.integer({ min: 0, max: 3 }),
    project: fc.constantFrom(A, B),
  });
  fc.assert(
    fc.property(
      fc.array(spec, { maxLength: 40 }),
      fc.integer({ min: 0, max: 8 }),
      fc.nat(5),
      (specs, free, aheadMax) => {
        const numbered = specs.map((one, n) => ({ ...one, i: n + 1 }));
        const plan = planClaims(input(numbered, { freeSlots: free, capacity: 8, aheadMax }));
        const started = plan.picks.filter(({ ahead }) => !ahead);
        const slots = started.reduce((sum, { candidate }) => sum + (candidate.stored.record.slots ?? 1), 0);
        expect(slots).toBeLessThanOrEqual(free);
        expect(new Set(plan.picks.map(({ candidate }) => candidate.task)).size).toBe(plan.picks.length);
        expect(plan.picks.length - started.length).toBeLessThanOrEqual(aheadMax);
        const equals = started.filter(
          ({ candidate: { stored } }) => stored.record.slots === 1 && stored.record.deliveries === 0,
        );
        for (const project of [A, B]) {
          const own = equals.map(({ candidate }) => candidate).filter(({ stored }) => stored.record.prj === project);
          expect([...own].sort(compareCandidates)).toEqual(own);
        }
      },
    ),
  );
});

test('with a concurrency key for each entry a plan looks at each a few times, not at all of them for each', () => {
  const count = 4_000;
  let looks = 0;
  const lanes = lanesOf(Array.from({ length: count }, (_, n) => ({ i: n + 1, lock: { hash: `k${n}`, limit: 1 } })));
  for (const { candidates } of lanes) {
    for (const one of candidates) {
      const { stored } = one;
      Object.defineProperty(one, 'stored', {
        get() {
          looks++;
          return stored;
        },
      });
    }
  }
  for (const freeSlots of [0, 4]) {
    looks = 0;
    planClaims({ ...input([], { freeSlots, lockSlots: () => [0] }), lanes });
    expect(looks).toBeLessThan(count * 4 * Math.log2(count));
  }
});

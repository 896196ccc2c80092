/** A router narrows and weighs where tasks go, and whatever else it does, they are placed. */
import type { TaskId } from '@boi/core';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { type Fixture, fixture, StaticMembership, testNode, testProject, testTask } from '../testing/fixtures.ts';
import { ADVICE_LIMIT_MS, Adviser } from './adviser.ts';
import { createPlacer } from './placement.ts';
import type { Hints, PlacementFacts, RouteAsk, RouterPort } from './placement-types.ts';

const nodes = [1, 2, 3].map(testNode);
const [one, two, three] = nodes as [
  ReturnType<typeof testNode>,
  ReturnType<typeof testNode>,
  ReturnType<typeof testNode>,
];
let f: Fixture;
let membership: StaticMembership;

beforeEach(async () => {
  f = fixture();
  membership = await StaticMembership.create(f);
  await membership.join(one, { capabilities: { zone: 'east' } });
  await membership.join(two, { capabilities: { zone: 'east' } });
  await membership.join(three, { capabilities: { zone: 'west' } });
});

class Scripted implements RouterPort {
  ready = true;
  readonly asked: RouteAsk[] = [];
  readonly #answer: (ask: RouteAsk, signal: AbortSignal) => Promise<Hints> | Hints;

  constructor(answer: (ask: RouteAsk, signal: AbortSignal) => Promise<Hints> | Hints) {
    this.#answer = answer;
  }

  async hint(ask: RouteAsk, signal: AbortSignal): Promise<Hints> {
    this.asked.push(ask);
    return this.#answer(ask, signal);
  }
}

/** Where so many tasks go, of a placer that has consulted `router`. */
async function placed(
  router: RouterPort,
  count = 60,
  facts: PlacementFacts = {},
  adviser = new Adviser(f.ctx, router),
) {
  const placer = createPlacer(f.keys, membership.snapshot(), await membership.loads(), f.clock.now(), adviser);
  const tasks = Array.from({ length: count }, (_, i) => testTask(i + 1));
  const consulted = placer.consult(() => tasks.map((task) => ({ task, prj: testProject, facts })));
  let settled = false;
  consulted.then(() => {
    settled = true;
  });
  await f.clock.until(() => settled, 1_000, 'advice');
  return tasks.map((task) => placer.place(task, facts).member?.id);
}

const all = (ask: RouteAsk, ratings: readonly (readonly [string, number])[]): Hints =>
  new Map(ask.tasks.map(({ task }) => [task, new Map(ratings)]));
const share = (places: readonly unknown[], node: string) =>
  places.filter((place) => place === node).length / places.length;

describe('a router', () => {
  test('is told what the tasks are and who may take them', async () => {
    const router = new Scripted(() => new Map());
    membership.setLoad(one, { busy: 2, queued: 1 });
    await placed(router, 1, { requires: [{ key: 'zone', op: 'eq', value: 'east' }] });
    expect(router.asked).toEqual([
      {
        tasks: [
          {
            task: testTask(1),
            prj: testProject,
            facts: { requires: [{ key: 'zone', op: 'eq', value: 'east' }] },
            eligible: [one, two],
          },
        ],
        candidates: [
          { id: one, slots: 4, busy: 2, queued: 1, capabilities: { zone: 'east', slots: 4 } },
          { id: two, slots: 4, busy: 0, queued: 0, capabilities: { zone: 'east', slots: 4 } },
        ],
      },
    ]);
  });

  test('narrows: a node rated 0 gets nothing', async () => {
    const places = await placed(new Scripted((ask) => all(ask, [[two, 0]])));
    expect(share(places, two)).toBe(0);
    expect(share(places, one)).toBeGreaterThan(0.3);
  });

  test('weighs: a node rated higher gets more while it has room', async () => {
    const plain = await placed(new Scripted(() => new Map()), 6);
    const weighed = await placed(new Scripted((ask) => all(ask, [[three, 100]])), 6);
    expect(share(weighed, three)).toBeGreaterThan(share(plain, three));
  });

  test('is not heard when its advice leaves nobody', async () => {
    const plain = await placed(new Scripted(() => new Map()));
    const none = await placed(
      new Scripted((ask) =>
        all(
          ask,
          nodes.map((id) => [id, 0] as const),
        ),
      ),
    );
    expect(none).toEqual(plain);
  });

  test('is not asked about a task that has no choice, nor when it is not ready', async () => {
    const router = new Scripted(() => new Map());
    await placed(router, 3, { requires: [{ key: 'zone', op: 'eq', value: 'west' }] });
    router.ready = false;
    await placed(router, 3);
    expect(router.asked).toEqual([]);
  });

  test('is asked about a great many in parts', async () => {
    const router = new Scripted(() => new Map());
    await placed(router, 1_023);
    expect(router.asked.map(({ tasks }) => tasks.length)).toEqual([256, 256, 256, 255]);
  });

  test('that does not answer is waited for 50 ms, and after the third time not asked for ten seconds', async () => {
    const router = new Scripted(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    );
    const adviser = new Adviser(f.ctx, router);
    for (let n = 1; n <= 3; n++) {
      const before = f.clock.mono();
      expect(await placed(router, 2, {}, adviser)).not.toContain(undefined);
      expect(f.clock.mono() - before).toBe(ADVICE_LIMIT_MS);
    }
    expect(f.counts.get('boi_core_router_answers_total')).toBe(3);
    await placed(router, 2, {}, adviser);
    expect(router.asked).toHaveLength(3);
    await f.clock.advance(10_000);
    await placed(router, 2, {}, adviser);
    expect(router.asked).toHaveLength(4);
  });

  const hostile: Record<string, (ask: RouteAsk) => unknown> = {
    rejects: () => Promise.reject(new Error('it broke')),
    throws: () => {
      throw new Error('it broke');
    },
    'answers no map': () => ({ hints: 'all' }),
    'answers nothing': () => undefined,
    'rates a task of its own': () => new Map([['tsk_x', new Map([[one, 2]])]]),
    'rates a node of its own': (ask) => all(ask, [['nod_x', 2]]),
    'rates below 0': (ask) => all(ask, [[one, -1]]),
    'rates above 100': (ask) => all(ask, [[one, 101]]),
    'rates by no number': (ask) => all(ask, [[one, Number.NaN]]),
    'rates by text': (ask) => all(ask, [[one, '5' as unknown as number]]),
  };
  test.each(Object.entries(hostile))('that %s changes nothing', async (_, answer) => {
    const plain = await placed(new Scripted(() => new Map()));
    expect(await placed(new Scripted(answer as (ask: RouteAsk) => Hints))).toEqual(plain);
  });

  test('whatever it rates, each task goes to a node that may take it', async () => {
    const rating = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 100, noNaN: true }), fc.constant(5e-324));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(rating, { minLength: 2, maxLength: 2 }), { minLength: 8, maxLength: 8 }),
        async (ratings) => {
          const facts = { requires: [{ key: 'zone', op: 'eq', value: 'east' }] } as const;
          const answer = (ask: RouteAsk) =>
            new Map(
              ask.tasks.map(
                ({ task }, i) =>
                  [
                    task,
                    new Map([
                      [one, ratings[i]?.[0] ?? 1],
                      [two, ratings[i]?.[1] ?? 1],
                    ]),
                  ] as const,
              ),
            );
          const places = await placed(
            new Scripted(answer as (ask: RouteAsk) => Map<TaskId, Map<string, number>>),
            8,
            facts,
          );
          places.forEach((place, i) => {
            expect([one, two]).toContain(place);
            const [a, b] = ratings[i] as [number, number];
            if (a === 0 && b > 0) expect(place).toBe(two);
          });
        },
      ),
      { numRuns: 50 },
    );
  });
});

/**
 * Drawn faults under steady work: hosts freeze, die and are cut off, one after the other, while tasks run that witness every
 * copy of themselves. Four schedules in every run, a hundred with `make e2e E2E=all`, others with
 * BOI_E2E_ROUNDS; BOI_E2E_SEED repeats a run.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { Cluster, SESSION_TTL_S } from '../harness/cluster.ts';
import { committedEffects, effect, readEffect, type SpecView, type TaskView } from '../harness/spec.ts';

const ROUNDS = Number(process.env.BOI_E2E_ROUNDS ?? (process.env.BOI_E2E === 'all' ? 100 : 4));
const ROUND_WITHIN_MS = 60_000;
const SEED = Number(process.env.BOI_E2E_SEED ?? Math.floor(Math.random() * 2 ** 31));
const TASKS = 12;
/** After a freeze of a whole host its copy of an exclusive task ends within so long of the thaw. */
const THAW_MS = 1_000;
const TICK_MS = 100;

let cluster: Cluster;

beforeAll(async () => {
  cluster = await Cluster.start({ nodes: 3 });
});

afterAll(() => cluster?.remove());

/** mulberry32: the same faults for the same seed. */
function drawn(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Says every tenth of a second that it is still there, twenty times, and then that it has ended. */
function witness(file: string): string {
  const tick = `echo "tick $BOI_TASK_ID $BOI_ATTEMPT $BOI_FENCE $BOI_NODE_ID $(date +%s%3N)" >> /effects/${file}`;
  return `for i in $(seq 20); do ${tick}; sleep ${TICK_MS / 1_000}; done; ${effect('ended', file)}`;
}

interface Span {
  readonly fence: string;
  readonly fromMs: number;
  toMs: number;
}

/** When which copy of which task was seen. */
function spans(lines: readonly string[]): Map<string, Span[]> {
  const copies = new Map<string, Span[]>();
  for (const line of lines.filter((text) => text.startsWith('tick '))) {
    const { task, fence } = readEffect(line);
    const atMs = Number(line.split(' ')[5]);
    const known = copies.get(task) ?? [];
    copies.set(task, known);
    const span = known.find((copy) => copy.fence === fence);
    if (span === undefined) known.push({ fence, fromMs: atMs, toMs: atMs });
    else span.toMs = Math.max(span.toMs, atMs);
  }
  return copies;
}

test(
  `no_double_commit_under_chaos, exclusive_never_overlaps: ${ROUNDS} drawn schedules of freezes, deaths and partitions`,
  async () => {
    onTestFailed(({ task }) => cluster.keep(task.name));
    const below = drawn(SEED);
    for (let round = 1; round <= ROUNDS; round++) {
      const file = `chaos-${round}`;
      const spec = await cluster.dispatch({
        tasks: [
          { ref: 'plain', count: TASKS / 2, run: witness(file) },
          { ref: 'only', count: TASKS / 2, run: witness(file), exclusive: true },
        ],
      });
      const victim = cluster.node(below(3) + 1);
      const kind = (['freeze', 'death', 'partition'] as const)[below(3)] as 'freeze' | 'death' | 'partition';
      const lastsMs = below(SESSION_TTL_S * 2_000);
      await delay(below(2_000));
      const said = `seed ${SEED}, round ${round}: ${kind} of ${victim.name} for ${lastsMs} ms`;
      await (kind === 'freeze' ? victim.pause() : kind === 'death' ? victim.kill() : victim.disconnect());
      await delay(lastsMs);
      await (kind === 'freeze' ? victim.unpause() : kind === 'death' ? victim.start() : victim.connect());
      const thawedMs = Date.now();
      expect((await cluster.try(['spec', 'wait', spec], { withinMs: ROUND_WITHIN_MS })).code, said).toBe(0);
      await cluster.ready(...cluster.nodes);

      const lines = await cluster.effects(file);
      const ended = lines.map(readEffect).filter(({ word }) => word === 'ended');
      const tasks = await cluster.json<TaskView[]>(['task', 'list', spec]);
      expect((await cluster.json<SpecView>(['spec', 'show', spec])).counts.succeeded, said).toBe(TASKS);
      expect(committedEffects(tasks, ended), said).toEqual(tasks.map(() => 1));
      const copies = spans(lines);
      for (const { id } of tasks.filter(({ ref }) => ref.startsWith('only'))) {
        const seen = (copies.get(id) ?? []).toSorted((a, b) => a.fromMs - b.fromMs);
        for (const [i, next] of seen.slice(1).entries()) {
          const before = seen[i] as Span;
          // A frozen host cannot end its copy; it has a second for it once it turns again.
          const until = kind === 'freeze' ? Math.max(next.fromMs, thawedMs + THAW_MS) : next.fromMs;
          expect(before.toMs, `${said}: copies of ${id}`).toBeLessThanOrEqual(until);
        }
      }
    }
    expect((await cluster.json<{ clean: boolean }>(['cluster', 'fsck'])).clean).toBe(true);
  },
  ROUNDS * ROUND_WITHIN_MS,
);

/** From the steps of a plan to the transactions that carry them out, one item for each task: made when its batch is sent. */
import { taskId } from '@boi/core';
import type { Txn } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import { routedTaskOf } from '../placement/placement.ts';
import type { Placer, RoutedTask } from '../placement/placement-types.ts';
import type { CoordinatePlan, Steps } from './coordinate-plan.ts';
import { endBlockedItem, releaseItem } from './release.ts';
import type { SpecRef } from './spec-ref.ts';
import { carriedHistory, taskCancelled, unrunResult } from './task-entry.ts';

export interface SpecMove {
  readonly index: number;
  readonly txn: Txn;
  /** Told to the plan when it was applied. */
  readonly applied: () => void;
  /** What is told of it: a skipped task is no event. */
  readonly event?: Foretold;
}

export interface MovesOptions {
  readonly deps: NodeDeps;
  readonly ref: SpecRef;
  readonly plan: CoordinatePlan;
  /** First index of each chunk of the body. */
  readonly firsts: readonly number[];
  readonly placer: Placer;
}

/** Definitions that are read for it before the first release is sent. */
const ROUTED_MAX = 256;

type MakeMove = () => Promise<SpecMove>;

export function planMoves(options: MovesOptions, { skips, cancels, releases }: Steps): MakeMove[] {
  return [
    ...skips.map(({ index, byFailure }) => end(options, index, 'skipped', byFailure)),
    ...cancels.map((index) => end(options, index, 'cancelled', false)),
    ...releases.map((index) => release(options, index)),
  ];
}

function end(
  { deps, ref, plan }: MovesOptions,
  index: number,
  outcome: 'skipped' | 'cancelled',
  byFailure: boolean,
): MakeMove {
  const { keys, clock } = deps.ctx;
  const failed = byFailure ? { byFailure } : {};
  return async () => {
    const { attempt = 1, history } = plan.blockedTask(index) ?? {};
    const result = unrunResult(outcome, clock.now(), attempt, { ...failed, ...carriedHistory(history) });
    const task = taskId(ref.spc, index);
    return {
      index,
      txn: endBlockedItem(keys, ref.spc, task, result),
      applied: () => plan.onResult(index, { outcome, ...failed }),
      ...(outcome === 'cancelled' ? { event: taskCancelled(ref, task, result) } : {}),
    };
  };
}

/** The tasks that are to go to a queue, for the router: as many as one question has. */
export async function routedReleases(
  { deps, ref, plan, firsts }: Omit<MovesOptions, 'placer'>,
  { releases }: Steps,
): Promise<RoutedTask[]> {
  return Promise.all(
    releases.slice(0, ROUTED_MAX).map(async (index) => {
      const definition = await deps.bodies.definition(ref.spc, index, chunkOf(firsts, index));
      return routedTaskOf(taskId(ref.spc, index), ref.prj, { ...definition, ...plan.blockedTask(index) });
    }),
  );
}

function release({ deps, ref, plan, firsts, placer }: MovesOptions, index: number): MakeMove {
  const { ctx, bodies } = deps;
  const { prj, spc } = ref;
  return async () => {
    const chunk = chunkOf(firsts, index);
    const definition = await bodies.definition(spc, index, chunk);
    const txn = releaseItem({
      keys: ctx.keys,
      prj,
      spc,
      tsk: taskId(spc, index),
      definition,
      chunk,
      ...(plan.blockedTask(index) ?? { attempt: 1 }),
      inputs: (definition.needs ?? []).some((need) => plan.hasOutputs(need)),
      placer,
      nowMs: ctx.clock.now(),
    });
    return { index, txn, applied: () => plan.onReleased(index) };
  };
}

/** The chunk that has the index: the last that begins at it or before. */
function chunkOf(firsts: readonly number[], index: number): number {
  let low = 0;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((firsts[middle] as number) <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** `dispatch --dry-run`: the expansion of a spec and where each task would go now, and why. Writes nothing. */
import { type DispatchBody, type DryRunAnswer, IdMinter, type ProjectId, type TaskDefinition, taskId } from '@boi/core';
import { nodeRef } from '../api/views.ts';
import type { NodeDeps } from '../deps.ts';
import { placementFactsOf, routedTaskOf } from '../placement/placement.ts';
import { readSpec } from './read-spec.ts';

/** Rows shown; see the API's schema. */
const ROWS_MAX = 1_000;

export async function planDispatch(deps: NodeDeps, project: ProjectId, body: DispatchBody): Promise<DryRunAnswer> {
  const { spec } = readSpec(body);
  const { ctx, membership } = deps;
  const placer = await deps.placer();
  // Placement hashes task ids: those of a spec minted now stand for the real ones.
  const spc = new IdMinter(ctx.clock, ctx.random).mint('spec');
  const shown = spec.tasks.slice(0, ROWS_MAX);
  await placer.consult(() => shown.map((definition, i) => routedTaskOf(taskId(spc, i + 1), project, definition)));
  const tasks = shown.map((definition, i) => {
    const placed = placer.place(taskId(spc, i + 1), placementFactsOf(definition));
    const needs = (definition.needs ?? []).map((need) => (spec.tasks[need - 1] as TaskDefinition).ref);
    return {
      index: i + 1,
      ref: definition.ref,
      needs,
      ...(placed.member === undefined
        ? { why: placed.why.summary }
        : { node: nodeRef(placed.member.id, membership.snapshot()), why: placed.why }),
    };
  });
  return { tasks, total: spec.tasks.length };
}

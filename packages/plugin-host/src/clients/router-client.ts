/** Calls of a router plugin. Advice only: whoever calls places without it when this rejects. */
import type { router } from '@boi/proto';
import type { PluginChannel } from '../channel.ts';
import { Answer } from './answer.ts';

/** Placement waits with the call, and does without after it. */
const HINT_TIMEOUT_MS = 50;
const PREFERENCE_MAX = 100;

/** By task, then by node: the factor for the node's weight; 0 leaves it out. Who is not in it keeps 1. */
export type Hints = ReadonlyMap<string, ReadonlyMap<string, number>>;

export async function hint(
  channel: PluginChannel,
  request: router.HintRequest,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<Hints> {
  const wire = await channel.call<router.HintRequest, router.HintResponse__Output>('Hint', request, {
    timeoutMs: HINT_TIMEOUT_MS,
    ...options,
  });
  const candidates = (request.candidates ?? []).map(({ nodeId }) => nodeId);
  const eligible = new Map(
    (request.tasks ?? []).map(({ taskId, eligible: indexes }) => [taskId, new Set(indexes?.map((i) => candidates[i]))]),
  );
  const answer = new Answer(channel.plugin, 'Hint');
  const hints = new Map<string, Map<string, number>>();
  for (const { taskId, nodes } of wire.hints) {
    const known = eligible.get(taskId);
    answer.holds(known !== undefined && !hints.has(taskId), 'hints.task_id', 'a task that was asked for, once');
    const ratings = new Map<string, number>();
    for (const { nodeId, preference } of nodes) {
      answer.holds(known?.has(nodeId) === true && !ratings.has(nodeId), 'node_id', 'an eligible candidate, once');
      answer.holds(preference >= 0 && preference <= PREFERENCE_MAX, 'preference', `from 0 to ${PREFERENCE_MAX}`);
      ratings.set(nodeId, preference);
    }
    // Advice that leaves nobody is no advice.
    const leavesNobody = [...(known ?? [])].every((nodeId) => ratings.get(nodeId ?? '') === 0);
    if (!leavesNobody) hints.set(taskId, ratings);
  }
  answer.done();
  return hints;
}

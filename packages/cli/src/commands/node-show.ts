/** `node show`. */
import type { NodeView } from '@boi/core';
import { displayName, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { paintState } from '../output/paint.ts';
import { presentOne, renderData } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { absolute, bytes } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import type { Session } from '../session.ts';

export async function showNode(session: Session, args: Args): Promise<number> {
  const params = { nod: args.one('node') };
  const query = args.switch('stale-ok') ? { stale: 'ok' as const } : {};
  const look = async (signal?: AbortSignal) => {
    const node = await session.client.call('node.show', { params, query, signal });
    session.warnStale(node.ageMs);
    return node;
  };
  const people = (node: NodeView) => renderFields(nodeFields(session, node), session.out);
  const { format } = session;
  if (args.switch('watch')) {
    return watch(session, async (signal) => {
      const node = await look(signal);
      if (format === 'name') return `${node.id} ${node.state}\n`;
      return format === 'json' || format === 'yaml' ? renderData(format, node) : people(node);
    });
  }
  const node = await look();
  await presentOne(session, node, node.id, () => people(node));
  return 0;
}

function nodeFields(session: Session, node: NodeView): [string, string | undefined][] {
  const now = session.io.now();
  const deadline = node.drain?.deadlineAt;
  const capabilities = Object.entries(node.capabilities ?? {}).map(([key, value]) =>
    escapeName(
      key === 'memory' && typeof value === 'number' ? `memory=${value} (${bytes(value)})` : `${key}=${String(value)}`,
    ),
  );
  return [
    ['Node', displayName(node.name, node.id)],
    ['State', paintState(session.out, node.state)],
    ['Address', node.address],
    ['Version', node.version],
    ['Slots', node.slots === undefined ? undefined : `${node.busy ?? 0} of ${node.slots} busy`],
    ['Running', node.running === undefined ? undefined : String(node.running)],
    ['Queued', node.queued === undefined ? undefined : String(node.queued)],
    ['Up since', node.startedAt === undefined ? undefined : absolute(node.startedAt, now)],
    ['Epoch', node.epoch],
    ['Draining', node.drain === undefined ? undefined : `since ${absolute(node.drain.since, now)}`],
    ['Deadline', deadline === undefined ? undefined : absolute(deadline, now)],
    ['Cooling until', node.coolingUntil === undefined ? undefined : absolute(node.coolingUntil, now)],
    ['Degraded', node.ailments?.join('\n')],
    ['Capabilities', capabilities.join('\n')],
  ];
}

/** `node drain`: starts it, then shows what is left until nothing is. */
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeView } from '@boi/core';
import { displayName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { untilDetached } from '../follow/detach.ts';
import { presentOne } from '../output/present.ts';
import { relative } from '../output/time.ts';
import type { Session } from '../session.ts';

/** Between looks: a drain takes as long as the tasks that run. */
const LOOK_MS = 1_000;

export async function drainNode(session: Session, args: Args): Promise<number> {
  const deadlineMs = args.number('deadline');
  const params = { nod: args.one('node') };
  const body = deadlineMs === undefined ? {} : { deadlineMs };
  const started = await session.client.call('node.drain', { params, body });
  const present = (node: NodeView) => presentOne(session, node, node.id, () => `${node.id}\n`);
  if (args.switch('detach')) {
    await present(started);
    return 0;
  }
  return untilDetached(
    session,
    () => `detached; the drain goes on. To undo it: boi-node node uncordon ${started.id}`,
    async (signal) => {
      let node = started;
      let said = '';
      for (;;) {
        const text = progressText(session, node);
        if (text !== said) session.note(text);
        said = text;
        if (node.state !== 'draining') break;
        await delay(LOOK_MS, undefined, { signal });
        node = await session.client.call('node.show', { params: { nod: started.id }, signal });
      }
      await present(node);
      // Somebody undid it meanwhile.
      return node.state === 'drained' || node.state === 'dead' ? 0 : 5;
    },
  );
}

function progressText(session: Session, node: NodeView): string {
  const name = displayName(node.name, node.id);
  if (node.state !== 'draining') return `${name} is ${node.state}`;
  const at = node.drain?.deadlineAt;
  const deadline = at === undefined ? '' : `; requeued ${relative(at, session.io.now())}`;
  return `${name}: ${node.running ?? 0} running, ${node.queued ?? 0} queued${(node.running ?? 0) > 0 ? deadline : ''}`;
}

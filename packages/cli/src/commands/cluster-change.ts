/** `cluster pause` and `cluster resume`. */
import type { ClusterView } from '@boi/core';
import type { Args } from '../args.ts';
import { presentOne } from '../output/present.ts';
import type { Session } from '../session.ts';
import { clusterText } from './cluster-status.ts';

export async function pauseCluster(session: Session, _args: Args): Promise<number> {
  return present(session, await session.client.call('cluster.pause', { body: {} }));
}

export async function resumeCluster(session: Session, _args: Args): Promise<number> {
  return present(session, await session.client.call('cluster.resume', { body: {} }));
}

async function present(session: Session, view: ClusterView): Promise<number> {
  session.note(view.paused ? 'claims are paused' : 'claims are on');
  await presentOne(session, view, view.id, () => clusterText(session, view));
  return 0;
}

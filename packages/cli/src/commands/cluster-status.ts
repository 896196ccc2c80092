/** `cluster status`. */
import type { ClusterView } from '@boi/core';
import type { Args } from '../args.ts';
import { presentOne, renderData } from '../output/present.ts';
import { renderFields } from '../output/table.ts';
import { bytes } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import type { Session } from '../session.ts';
import { showLocal } from './local-show.ts';

export async function showCluster(session: Session, args: Args): Promise<number> {
  if (args.switch('local')) return showLocal(session);
  const query = args.switch('stale-ok') ? { stale: 'ok' as const } : {};
  const look = async (signal?: AbortSignal) => {
    const view = await session.client.call('cluster.show', { query, signal });
    session.warnStale(view.ageMs);
    return view;
  };
  const { format } = session;
  if (args.switch('watch')) {
    return watch(session, async (signal) => {
      const view = await look(signal);
      if (format === 'name') return `${view.id}\n`;
      return format === 'json' || format === 'yaml' ? renderData(format, view) : clusterText(session, view);
    });
  }
  const view = await look();
  await presentOne(session, view, view.id, () => clusterText(session, view));
  return 0;
}

export function clusterText(session: Session, view: ClusterView): string {
  const { out } = session;
  const { nodes, slots, specs, store } = view;
  const dead = nodes.dead > 0 ? out.red(`, ${nodes.dead} dead`) : '';
  return renderFields(
    [
      ['Cluster', view.id],
      ['Claims', view.paused ? out.yellow('paused; `boi-node cluster resume` goes on') : 'on'],
      ['Nodes', `${nodes.ready} ready of ${nodes.live} live${dead}`],
      ['Slots', `${slots.busy} of ${slots.total} busy`],
      ['Specs', specs === undefined ? undefined : `${specs.active} active of ${specs.total}`],
      ['Queued', String(view.queued)],
      [
        'Unassigned',
        view.unassigned === undefined
          ? undefined
          : view.unassigned > 0
            ? out.yellow(`${view.unassigned} (no live node can run them; \`boi-node task show\` tells why)`)
            : '0',
      ],
      [
        'Store',
        store === undefined
          ? out.yellow('the node that answers cannot reach it')
          : `${store.version}, revision ${store.revision}, ${bytes(store.dbBytesInUse)} used of ${bytes(store.dbBytes)}`,
      ],
      ['Alarms', store !== undefined && store.alarms.length > 0 ? out.red(store.alarms.join(', ')) : undefined],
      ['Answered by', view.servedBy],
    ],
    out,
  );
}

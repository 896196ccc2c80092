/** `node list`. */
import type { NodeView } from '@boi/core';
import { compareNamed, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { paintState } from '../output/paint.ts';
import { presentList, renderList } from '../output/present.ts';
import type { Column } from '../output/table.ts';
import { bytes, relative } from '../output/time.ts';
import { watch } from '../output/watch.ts';
import type { Session } from '../session.ts';

const BUILT_IN = ['os', 'arch', 'cpus', 'memory'];

export async function listNodes(session: Session, args: Args): Promise<number> {
  const name = args.text('name');
  const look = async (signal?: AbortSignal) => {
    const query = {
      ...(name === undefined ? {} : { name }),
      ...(args.switch('stale-ok') ? { stale: 'ok' as const } : {}),
    };
    const page = await session.client.call('node.list', { query, signal });
    session.warnStale(page.ageMs);
    return [...page.items].sort(compareNamed);
  };
  const columns = nodeColumns(session.io.now);
  if (args.switch('watch')) return watch(session, async (signal) => renderList(session, await look(signal), columns));
  await presentList(session, await look(), columns, 'no nodes');
  return 0;
}

function nodeColumns(now: () => number): Column<NodeView>[] {
  const count = (n: number | undefined) => (n === undefined ? '' : String(n));
  return [
    { title: 'NAME', cell: (n) => escapeName(n.name ?? ''), widthMax: 32 },
    { title: 'ID', cell: (n) => n.id },
    { title: 'STATE', cell: (n) => n.state, paint: paintState },
    { title: 'BUSY', cell: (n) => (n.slots === undefined ? '' : `${n.busy ?? 0}/${n.slots}`), align: 'right' },
    { title: 'RUNNING', cell: (n) => count(n.running), align: 'right' },
    { title: 'QUEUED', cell: (n) => count(n.queued), align: 'right' },
    { title: 'UP SINCE', cell: (n) => relative(n.startedAt, now()) },
    { title: 'ADDRESS', cell: (n) => n.address ?? '', wide: true },
    { title: 'VERSION', cell: (n) => n.version ?? '', wide: true },
    { title: 'MACHINE', cell: machineText, wide: true },
    { title: 'LABELS', cell: (n) => labelsText(n), wide: true },
  ];
}

function machineText({ capabilities: c }: NodeView): string {
  if (c === undefined) return '';
  const memory = typeof c.memory === 'number' ? bytes(c.memory) : '';
  return [c.os, c.arch, c.cpus === undefined ? '' : `${String(c.cpus)} CPUs`, memory]
    .filter(Boolean)
    .map(String)
    .join(' ');
}

export function labelsText({ capabilities }: NodeView): string {
  return Object.entries(capabilities ?? {})
    .filter(([key]) => !BUILT_IN.includes(key))
    .map(([key, value]) => escapeName(`${key}=${String(value)}`))
    .join(',');
}

/** `config show`: each setting with its value and where the value came from. */
import { BoiError } from '@boi/core/errors';
import { SETTING_NAMES as DAEMON_SETTING_NAMES, DAEMON_SETTINGS, type Setting } from '@boi/node/config';
import type { Args } from '../args.ts';
import { configPath } from '../config-file.ts';
import { renderData } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';
import { SETTING_NAMES, SETTINGS } from '../settings.ts';
import { readDaemonConfig } from './daemon-config.ts';

const HIDDEN = '(hidden)';

interface Row {
  readonly name: string;
  readonly value?: unknown;
  readonly source: string;
  readonly from?: string;
}

export async function showConfig(session: Session, args: Args): Promise<number> {
  const daemon = args.switch('daemon');
  if (!daemon && args.text('config') !== undefined) throw new BoiError('bad-request', '--config goes with --daemon');
  const rows = daemon ? await daemonRows(session, args) : ownRows(session);
  const { format } = session;
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, rows));
  else if (format === 'name') await session.print(rows.map((r) => `${r.name}\n`).join(''));
  else {
    await session.print(
      renderTable<Row>(
        rows,
        [
          { title: 'SETTING', cell: (r) => r.name },
          { title: 'VALUE', cell: (r) => valueText(r) },
          { title: 'SOURCE', cell: (r) => r.source },
          { title: 'FROM', cell: (r) => r.from ?? '' },
        ],
        { wide: format === 'wide', paint: session.out },
      ),
    );
  }
  return 0;
}

function ownRows(session: Session): Row[] {
  const path = configPath(session.io.env);
  return SETTING_NAMES.map((name): Row => {
    const setting = session.settings.get(name);
    if (setting?.value !== undefined) return setting;
    if (name === 'context' && session.contextName !== undefined) {
      return { name, value: session.contextName, source: 'file', from: `${path}, context use` };
    }
    const chosen = session.contextName === undefined ? undefined : session.config.contexts[session.contextName];
    if (chosen !== undefined && name === 'endpoints') {
      return { name, value: chosen.endpoints, source: 'context', from: session.contextName ?? '' };
    }
    if (chosen?.project !== undefined && name === 'project') {
      return { name, value: chosen.project, source: 'context', from: session.contextName ?? '' };
    }
    return { name, source: 'default' };
  });
}

/** Those without a value, too: what is not set is part of the answer. */
async function daemonRows(session: Session, args: Args): Promise<Row[]> {
  const { provenance } = await readDaemonConfig(session, args);
  // Whoever looks over the shoulder must not join with it.
  const hidden = (row: Row): Row => (row.name === 'token' ? { ...row, value: HIDDEN } : row);
  const set = new Map(provenance.map((row) => [row.name, hidden(row)]));
  return DAEMON_SETTING_NAMES.map((name): Row => set.get(name) ?? { name, source: 'default' });
}

/** As one would write it. */
function valueText({ name, value }: Row): string {
  if (value === undefined) return '';
  switch (kindOf(name)) {
    case 'duration':
      return inUnits(value as number, DURATION_UNITS) ?? String(value);
    case 'bytes':
      return inUnits(value as number, SIZE_UNITS) ?? String(value);
    case 'listen': {
      const { host, port } = value as { host: string; port: number };
      return `${host.includes(':') ? `[${host}]` : host}:${port}`;
    }
    case 'map':
      return Object.entries(value as Record<string, string>)
        .map(([key, one]) => `${key}=${one}`)
        .join(',');
    default:
      return Array.isArray(value) ? value.join(',') : String(value);
  }
}

function kindOf(name: string): string | undefined {
  const daemon: Setting | undefined = Object.hasOwn(DAEMON_SETTINGS, name)
    ? DAEMON_SETTINGS[name as keyof typeof DAEMON_SETTINGS]
    : undefined;
  return daemon?.type ?? SETTINGS.find((own) => own.name === name)?.kind;
}

type Units = readonly (readonly [string, number])[];
const DURATION_UNITS: Units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];
const SIZE_UNITS: Units = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['GB', 1e9],
  ['MB', 1e6],
];

/** In the largest unit of which it is a whole number; none for 0. */
function inUnits(amount: number, units: Units): string | undefined {
  const unit = units.find(([, size]) => amount >= size && amount % size === 0);
  return unit === undefined ? undefined : `${amount / unit[1]}${unit[0]}`;
}

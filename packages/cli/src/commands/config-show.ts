/** `config show`: each setting with its value and where the value came from. */
import type { Args } from '../args.ts';
import { configPath } from '../config-file.ts';
import { renderData } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import type { Session } from '../session.ts';
import { SETTING_NAMES } from '../settings.ts';
import { readDaemonConfig } from './daemon-config.ts';

interface Row {
  readonly name: string;
  readonly value?: unknown;
  readonly source: string;
  readonly from?: string;
}

export async function showConfig(session: Session, args: Args): Promise<number> {
  const rows = args.switch('daemon') ? (await readDaemonConfig(session, args)).provenance : ownRows(session);
  const { format } = session;
  if (format === 'json' || format === 'yaml') await session.print(await renderData(format, rows));
  else if (format === 'name') await session.print(rows.map((r) => `${r.name}\n`).join(''));
  else {
    await session.print(
      renderTable<Row>(
        rows,
        [
          { title: 'SETTING', cell: (r) => r.name },
          { title: 'VALUE', cell: (r) => valueText(r.value) },
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

function valueText(value: unknown): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.join(',');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

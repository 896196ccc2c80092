/**
 * Results on standard output in the asked format: one place, so that every command answers `-o` alike. `json` and `yaml` give
 * what the API answered; `name` gives ids, one a line; `table` and `wide` are for people.
 */
import type { Session } from '../session.ts';
import { type Column, renderTable } from './table.ts';
import { escapeUnseen, hasUnseen } from './width.ts';

export async function presentList<T extends { readonly id: string }>(
  session: Session,
  rows: readonly T[],
  columns: readonly Column<T>[],
  empty: string,
): Promise<void> {
  const text = await renderList(session, rows, columns);
  if (text === '') session.note(empty);
  else await session.print(text);
}

/** As text; empty when there is nothing to show to a person. */
export async function renderList<T extends { readonly id: string }>(
  session: Session,
  rows: readonly T[],
  columns: readonly Column<T>[],
): Promise<string> {
  const { format } = session;
  if (format === 'name') return rows.map((row) => `${row.id}\n`).join('');
  if (format !== 'table' && format !== 'wide') return renderData(format, rows);
  return rows.length === 0 ? '' : renderTable(rows, columns, { wide: format === 'wide', paint: session.out });
}

/** One thing; `people` draws it for table and wide. */
export async function presentOne<T extends object>(
  session: Session,
  value: T,
  id: string,
  people: () => string,
): Promise<void> {
  const { format } = session;
  if (format === 'name') await session.print(`${id}\n`);
  else if (format === 'json' || format === 'yaml') await session.print(await renderData(format, value));
  else await session.print(people());
}

export async function renderData(format: 'json' | 'yaml', value: unknown): Promise<string> {
  if (format === 'json') return `${escapeUnseen(JSON.stringify(value, null, 2))}\n`;
  const { stringify } = await import('../yaml.ts');
  const options = { lineWidth: 0, aliasDuplicateObjects: false };
  const text = stringify(value, options);
  if (!hasUnseen(text)) return text;
  // Escapes are only known in double quotes.
  const quoted = { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'QUOTE_DOUBLE', blockQuote: false } as const;
  return escapeUnseen(stringify(value, { ...options, ...quoted }));
}

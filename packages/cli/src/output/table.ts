/**
 * Tables and lists of fields for people: aligned by terminal cells, two spaces between columns, nothing at line ends. What they
 * show is in part written by others (tasks, plugins, nodes): no cell moves the cursor, whoever made it.
 */
import type { Paint } from './paint.ts';
import { cellText, displayWidth, forTerminal, padTo, truncate } from './width.ts';

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => string;
  readonly align?: 'right';
  /** Only with `-o wide`. */
  readonly wide?: boolean;
  /** Longest, in cells; cut with `…` unless wide. */
  readonly widthMax?: number;
  readonly paint?: (paint: Paint, text: string) => string;
}

export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  options: { readonly wide: boolean; readonly paint: Paint },
): string {
  const shown = columns.filter((c) => options.wide || c.wide !== true);
  const cells = rows.map((row) =>
    shown.map((c) => {
      const text = cellText(c.cell(row)) || '-';
      return c.widthMax === undefined || options.wide ? text : truncate(text, c.widthMax);
    }),
  );
  const widths = shown.map((c, i) => {
    let width = displayWidth(c.title);
    for (const row of cells) width = Math.max(width, displayWidth(row[i] as string));
    return width;
  });
  const line = (texts: readonly string[], painted: (text: string, i: number) => string) =>
    texts
      .map((text, i) => {
        const last = i === texts.length - 1 && shown[i]?.align !== 'right';
        const padded = last ? text : padTo(text, widths[i] as number, shown[i]?.align);
        // Padding is added before colour, so that only the text itself is coloured.
        return padded.replace(text, () => painted(text, i));
      })
      .join('  ')
      .trimEnd();
  const head = line(
    shown.map((c) => c.title),
    (text) => options.paint.bold(text),
  );
  const body = cells.map((row) => line(row, (text, i) => shown[i]?.paint?.(options.paint, text) ?? text));
  return `${[head, ...body].join('\n')}\n`;
}

/** `name   value` lines; undefined values are left out, further lines of a value are indented below its first. */
export function renderFields(fields: readonly (readonly [string, string | undefined])[], paint: Paint): string {
  const shown = fields.flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [[name, forTerminal(value)] as const],
  );
  const width = Math.max(0, ...shown.map(([name]) => displayWidth(name)));
  const indent = ' '.repeat(width + 2);
  return shown
    .map(([name, value]) => `${paint.bold(padTo(name, width))}  ${value.replaceAll('\n', `\n${indent}`)}\n`)
    .join('');
}

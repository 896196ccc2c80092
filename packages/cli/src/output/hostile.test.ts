/** Others write what a command shows: task output, messages of plugins, names of programs. None of it may drive the reader's terminal. */

import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { painter } from './paint.ts';
import { renderData } from './present.ts';
import { renderFields, renderTable } from './table.ts';
import { stripped } from './width.ts';

/** Retitles, clears, answers into the shell; the one-byte forms of the same; turns the text round; draws a second row. */
const HOSTILE = 'a\x1b]0;owned\x07\x1b[2J\x9b2J\x1bP$q\x1b\\\u202eb\x7f\r\nc\td';
const OBEYED = /(?!\n)\p{Cc}|[\u202a-\u202e]/u;
const paint = painter(true);

describe('what others wrote', () => {
  it('stays one line in a cell of a table, and only our colours are left', () => {
    const text = renderTable([HOSTILE], [{ title: 'WHY', cell: (row) => row, paint: (p, t) => p.red(t) }], {
      wide: true,
      paint,
    });
    expect(stripped(text)).toBe('WHY\na2Jb c d\n');
    expect(text).toContain('\x1b[31m');
  });

  it('keeps its lines in a field, indented', () => {
    const text = stripped(renderFields([['Why', HOSTILE]], paint));
    expect(text).toBe('Why  a2Jb\n     c\td\n');
  });

  it.each(['json', 'yaml'] as const)(
    'is the same value in %s, without a character that a terminal obeys',
    async (format) => {
      const value = { why: HOSTILE, [HOSTILE]: [1, HOSTILE], plain: '\u202eabc', lines: 'one\n\x9b2Jtwo\n' };
      const text = await renderData(format, value);
      expect(text.match(OBEYED)).toBeNull();
      expect(format === 'json' ? JSON.parse(text) : parse(text)).toEqual(value);
    },
  );

  it('leaves ordinary documents as they are', async () => {
    const value = { text: 'ç日本👍', lines: 'one\ntwo\n' };
    expect(await renderData('yaml', value)).toBe('text: ç日本👍\nlines: |\n  one\n  two\n');
  });
});

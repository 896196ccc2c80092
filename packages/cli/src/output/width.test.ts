import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, clockTime, elapsed, relative } from './time.ts';
import { displayWidth, forTerminal, padTo, stripped, truncate } from './width.ts';

describe('widths', () => {
  it.each([
    ['abc', 3],
    ['日本', 4],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['🇩🇪', 2],
    ['✔', 1],
    ['✔\uFE0F', 2],
    ['\x1b[31mred\x1b[39m', 3],
    ['', 0],
  ])('of %j is %i', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  it('are never exceeded by what is cut, and always reached by what is padded', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.integer({ min: 1, max: 20 }), (text, width) => {
        const cut = truncate(text, width);
        expect(displayWidth(cut)).toBeLessThanOrEqual(Math.max(width, 1));
        expect(displayWidth(padTo(cut, width))).toBeGreaterThanOrEqual(width);
      }),
    );
  });
});

describe('text for a terminal', () => {
  it('keeps nothing that begins an escape sequence but colours', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('\x1b', '[', ']', '3', '1', ';', 'm', 'J', '\x07', '\x9b', 'P', '\\', 'x', '\r', '\b'),
        }),
        (text) => {
          const left = stripped(forTerminal(text));
          expect(left).not.toMatch(/(?![\t\n])\p{Cc}/u);
        },
      ),
    );
  });

  it('keeps tabs, line ends and every other script', () => {
    expect(forTerminal('a\tb\nç日本👍')).toBe('a\tb\nç日本👍');
  });
});

describe('times', () => {
  it('are short', () => {
    expect([0, 999, 1_000, 61_000, 3_600_000, 90_061_000].map(elapsed)).toEqual([
      '0ms',
      '999ms',
      '1s',
      '1m1s',
      '1h',
      '1d1h',
    ]);
    expect([relative(undefined, 5), relative(0, 300), relative(0, 60_000), relative(60_000, 0)]).toEqual([
      '-',
      'now',
      '1m ago',
      'in 1m',
    ]);
    expect([clockTime(65_000), clockTime(3_661_000)]).toEqual(['1:05', '1:01:01']);
    expect([bytes(512), bytes(1536), bytes(20 * 2 ** 20)]).toEqual(['512 B', '1.5 KiB', '20 MiB']);
  });
});

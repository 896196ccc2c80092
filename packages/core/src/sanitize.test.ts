import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clipBytes, sanitize } from './sanitize.ts';

const clean = (output: Uint8Array | string, bytesMax = 2048) => sanitize(output, { bytesMax });

describe('sanitizing output', () => {
  it.each([
    ['colours', '\u001B[1;31merror\u001B[0m: x', 'error: x'],
    ['cursor moves and screen clearing', 'a\u001B[2J\u001B[H\u001B[?25lb', 'ab'],
    ['a window title', '\u001B]0;owned\u0007text', 'text'],
    ['a hyperlink', '\u001B]8;;http://x\u001B\\link\u001B]8;;\u001B\\', 'link'],
    ['a device control string', 'a\u001BP1$r\u001B\\b', 'ab'],
    ['one-character forms', 'a\u009B31mb\u009D0;t\u0007c', 'abc'],
    ['charset switches', 'a\u001B(Bb\u001B7c', 'abc'],
    ['a sequence cut off by the end', 'a\u001B[31', 'a'],
    ['an unterminated string, to the end of its line only', 'a\u001B]0;title\nb', 'a\nb'],
    ['bells and backspaces', 'a\u0007b\u0008c\u0000d\u007Fe\u0085f', 'abcdef'],
    ['bidi overrides', 'a\u202Eb\u2066c', 'abc'],
    ['progress bars', '10%\r20%\r\ndone', '10%\n20%\ndone'],
  ])('takes out %s', (_, output, want) => {
    expect(clean(output)).toBe(want);
  });

  it('keeps newlines, tabs and all scripts', () => {
    const text = 'naïve\tça va\n日本語 😀 👩‍🚀\n';
    expect(clean(text)).toBe(text);
  });

  it('takes out broken UTF-8', () => {
    expect(clean(Uint8Array.from([0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82, 0x62]))).toBe('a(b');
    expect(clean('a\uD800b')).toBe('ab');
  });

  it('keeps the end by default, the beginning on request, cut between code points', () => {
    expect(sanitize('ab😀cd', { bytesMax: 4 })).toBe('cd');
    expect(sanitize('ab😀cd', { bytesMax: 6 })).toBe('😀cd');
    expect(sanitize('ab😀cd', { bytesMax: 4, keep: 'head' })).toBe('ab');
    expect(sanitize('ab😀cd', { bytesMax: 6, keep: 'head' })).toBe('ab😀');
    expect(clipBytes('ééé', 3, 'head')).toBe('é');
    expect(clipBytes('ééé', 0, 'tail')).toBe('');
  });

  it('fills the tail also where colour takes most of the output', () => {
    expect(clean('\u001B[31mx\u001B[0m'.repeat(10_000), 100)).toHaveLength(100);
  });

  it('answers within its bound, without controls, whatever the bytes; and once more changes nothing', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.string({ unit: 'binary', maxLength: 200 }).map((s) => Buffer.from(s)),
    );
    fc.assert(
      fc.property(bytes, fc.nat(200), fc.constantFrom('head' as const, 'tail' as const), (output, bytesMax, keep) => {
        const safe = sanitize(output, { bytesMax, keep });
        expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(bytesMax);
        expect(Buffer.from(safe).toString()).toBe(safe);
        expect(safe.replace(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069\uFFFD]/u);
        expect(sanitize(safe, { bytesMax, keep })).toBe(safe);
      }),
      { numRuns: 500 },
    );
  });

  it('stays linear on hostile input', () => {
    for (const hostile of ['\u001B', '\u001B[', '\u001B]', '\u001BP', '\u001B[0;', '\u009B1 '])
      expect(clean(hostile.repeat(200_000), 100_000).length).toBeLessThanOrEqual(100_000);
  });
});

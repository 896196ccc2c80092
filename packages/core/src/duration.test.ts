import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, parseDuration } from './duration.ts';

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['1m30s250ms', 90_250],
    ['90', 90_000],
    [90, 90_000],
    [0.25, 250],
    [0, 0],
    ['0s', 0],
  ])('%j is %i ms', (value, ms) => {
    expect(parseDuration(value)).toBe(ms);
  });

  it.each([
    '',
    ' 5m',
    '5m ',
    '5 m',
    '5M',
    '5min',
    '30m1h',
    '5m5m',
    '-5s',
    '1e3s',
    '.5s',
    '5m\n',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    true,
    ['5m'],
  ])('%j is none', (value) => {
    expect(parseDuration(value)).toBeUndefined();
  });

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
    expect(formatDuration(5_400_000)).toBe('1h30m');
    expect(formatDuration(0)).toBe('0s');
  });
});

/** Durations as people write them: `250ms`, `30s`, `5m`, `1h30m`, `2d`, or a number of seconds. */

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
] as const;
const DURATION = /^(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,12}(?:\.\d{1,3})?)s)?(?:(\d{1,15})ms)?$/;

/** What a duration looks like, for messages. */
export const DURATION_EXPECTED = 'a duration such as 250ms, 30s, 5m or 1h30m, or a number of seconds';

/** Whole milliseconds, ≥ 0, or undefined if it is none. Units go from large to small, each at most once. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.round(value * 1_000) : undefined;
  if (typeof value !== 'string' || value === '') return undefined;
  if (/^\d{1,12}(?:\.\d{1,3})?$/.test(value)) return Math.round(Number(value) * 1_000);
  const match = DURATION.exec(value);
  if (match === null) return undefined;
  let ms = 0;
  UNITS.forEach(([, unitMs], i) => {
    ms += Number(match[i + 1] ?? 0) * unitMs;
  });
  return Math.round(ms);
}

/** The shortest exact spelling: 5400000 is `1h30m`, 0 is `0s`. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  let text = '';
  for (const [unit, unitMs] of UNITS) {
    const count = Math.floor(rest / unitMs);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * unitMs;
  }
  return text === '' ? '0s' : text;
}

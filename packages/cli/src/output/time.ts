/** Times for people: short, rounded down, always with their unit. */

const STEPS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `850ms`, `12s`, `3m20s`, `5h10m`, `2d4h`. */
export function elapsed(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  for (let i = 0; i < STEPS.length; i++) {
    const [unit, unitMs] = STEPS[i] as (typeof STEPS)[number];
    if (ms < unitMs) continue;
    const next = STEPS[i + 1];
    const rest = next === undefined ? 0 : Math.floor((ms % unitMs) / next[1]);
    return `${Math.floor(ms / unitMs)}${unit}${rest > 0 && next !== undefined ? `${rest}${next[0]}` : ''}`;
  }
  return '0s';
}

/** `3m ago`, `in 5s`, `now`; `-` for no time. */
export function relative(at: number | undefined, now: number): string {
  if (at === undefined) return '-';
  const ms = now - at;
  if (Math.abs(ms) < 1_000) return 'now';
  return ms > 0 ? `${coarse(ms)} ago` : `in ${coarse(-ms)}`;
}

function coarse(ms: number): string {
  const [unit, unitMs] = STEPS.find(([, size]) => ms >= size) ?? STEPS[3];
  return `${Math.floor(ms / unitMs)}${unit}`;
}

/** `2026-11-21T09:30:00Z (5m ago)`. */
export function absolute(at: number | undefined, now: number): string {
  return at === undefined ? '-' : `${new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')} (${relative(at, now)})`;
}

/** `1:05`, `2:03:04`: for progress, where the width must not jump. */
export function clockTime(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1_000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3_600);
  const minutes = Math.floor((s % 3_600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

/** `512 B`, `1.5 KiB`, `12 GiB`. */
export function bytes(count: number): string {
  let value = count;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB', 'TiB']) {
    if (value < 1024 || unit === 'TiB')
      return `${value < 10 && unit !== 'B' ? value.toFixed(1) : Math.floor(value)} ${unit}`;
    value /= 1024;
  }
  return `${count} B`;
}

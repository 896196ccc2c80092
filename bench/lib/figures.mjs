/** Arithmetic and layout of the report. */

/** The value below which the share `q` of the sorted sample lies (nearest rank). */
export function percentile(sample, q) {
  const sorted = [...sample].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))];
}

export function round(value, digits = 0) {
  return Number(value.toFixed(digits));
}

/** How fast so many were done in that time. */
export function rate(tasks, elapsedMs) {
  return { tasks, elapsedMs: round(elapsedMs), perSecond: round((tasks * 1000) / elapsedMs) };
}

/** Of measurements of the same thing the one with the median rate, and the rates of all, in their order. */
export function medianOf(rows) {
  const rates = rows.map(({ perSecond }) => perSecond);
  const median = rows.find(({ perSecond }) => perSecond === percentile(rates, 0.5));
  return rows.length === 1 ? median : { ...median, turns: rates };
}

/** Lines of a table: the first column to the left, figures to the right. */
export function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map((cell) => (cell === undefined ? '–' : String(cell))));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  const [first, ...others] = cells.map((row) => line(row).trimEnd());
  return [first, '-'.repeat(first.length), ...others].join('\n');
}

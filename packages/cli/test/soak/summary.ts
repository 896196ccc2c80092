/** A report of a soak as lines for people. */
import { mebibytes, seconds } from '../support/figures.ts';
import type { SoakReport } from './soak.ts';

export function summary(report: SoakReport): string[] {
  const { violations, trends, errors } = report;
  const list = (counts: Readonly<Record<string, number | undefined>>) =>
    Object.entries(counts)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([word, n]) => `${n} ${word}`)
      .join(', ');
  return [
    `seed ${report.seed}: ${violations.length === 0 ? 'held' : `${violations.length} violations`} after ${seconds(report.tookMs)}`,
    `work: ${report.tasks} tasks in ${report.specs} specs (${list(report.kinds)}); tasks: ${list(report.states)}`,
    `effects: ${report.effects} complete, ${report.superseded} of them by copies whose result does not count`,
    `faults: ${list(report.faults)}; the last spec ended ${seconds(report.settledMs)} after the last was undone`,
    ...trends.map(
      ({ node, lives, samples, bytes, fds }) =>
        `${node}: ${lives} ${lives === 1 ? 'process' : 'processes'}, ${samples} samples; first and last quarter: resident ${bytes.map(mebibytes).join(' and ')}, descriptors ${fds.join(' and ')}`,
    ),
    `errors logged: ${list(errors) || 'none'}`,
    ...violations.map((text) => `violation: ${text}`),
  ];
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { medianOf } from '../lib/figures.mjs';
import { goals } from './goals.mjs';
import { plot } from './plot.mjs';
import { parts, splice } from './tables.mjs';

const ROOT = join(import.meta.dirname, '../..');
const text = (name) => readFileSync(join(ROOT, name), 'utf8');
const json = (name) => JSON.parse(text(`bench/${name}`));
const measured = { results: json('results.json'), growth: json('growth.json'), budgets: json('budgets.json') };

describe('docs/performance.md', () => {
  test('shows what the last runs have left: else `npm run bench:page`', () => {
    const page = text('docs/performance.md');
    expect(splice(page, parts(measured))).toBe(page);
    expect(plot(measured)).toBe(text('docs/performance.svg'));
  });

  test('keeps what stands around its tables, and must have their marks', () => {
    expect(splice('a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb\n', { x: 'new' })).toBe(
      'a\n<!-- bench:x -->\nnew\n<!-- /bench:x -->\nb\n',
    );
    expect(() => splice('a', { x: 'new' })).toThrow('no marks');
  });
});

test('of several turns the median one is told, with the rates of all in their order', () => {
  const turn = (perSecond) => ({ name: 'it', perSecond, elapsedMs: 1 / perSecond });
  expect(medianOf([turn(30), turn(10), turn(20)])).toEqual({ ...turn(20), turns: [30, 10, 20] });
  expect(medianOf([turn(5)])).toEqual(turn(5));
});

describe('a line of the goals', () => {
  const verdictOf = (measuredNow, word) => goals(measuredNow).find(({ line }) => line.includes(word)).verdict;
  const rates = (own, others) => [
    { name: 'boi-node', tasks: 1, perSecond: own },
    ...Object.entries(others).map(([name, perSecond]) => ({ name, perSecond })),
  ];
  const peers = { BullMQ: 100, 'pg-boss': 120, 'graphile-worker': 300 };

  test.each([
    [119, 'missed'],
    [120, 'met'],
    [300, 'aim met'],
  ])('no-op at %i/s beside peers of the same run: %s', (own, verdict) => {
    expect(verdictOf({ results: { noop: rates(own, peers) } }, 'No-op')).toBe(verdict);
  });

  test('no-op tells of the second time, with the first beside it', () => {
    const [own, ...others] = rates(130, peers);
    const [goal] = goals({ results: { noop: [{ ...own, firstPerSecond: 90 }, ...others] } });
    expect(goal).toMatchObject({ measured: '130/s, the first time 90', verdict: 'met' });
  });

  test('no-op without one of the peers is no comparison', () => {
    expect(verdictOf({ results: { noop: rates(900, { BullMQ: 100 }) } }, 'No-op')).toBe(
      'not measured beside all of them',
    );
  });

  test.each([
    [{ worstMs: 4_600, ttlMs: 3_000 }, 'missed'],
    [{ worstMs: 4_500, ttlMs: 3_000 }, 'met'],
    [{ worstMs: 3_800, ttlMs: 3_000 }, 'aim met'],
  ])('takeover by the worst of its runs: %j is %s', (own, verdict) => {
    expect(verdictOf({ results: { takeover: { ...own, ownMs: 1, runs: [{}] } } }, 'Takeover')).toBe(verdict);
  });

  test('of two measures is told for both where they differ', () => {
    expect(verdictOf({ results: { idle: { cpuPercent: 0.5, residentMb: 160 } } }, 'Idle node')).toBe('met; missed');
  });

  test('that is a time is not judged when the machine was busy before or after the run; a count is', () => {
    const machine = { cores: 2, busyBefore: 3, busyAfter: 40 };
    const budgets = { 'one spec of 1,000 tasks': { writes: 4.01 }, '1,000 specs of one task': { writes: 6 } };
    const run = { results: { machine, noop: rates(900, peers) }, budgets };
    expect(verdictOf(run, 'No-op')).toBe('not judged: busy machine');
    expect(verdictOf(run, 'Writes')).toBe('met');
  });

  test('of which nothing was measured says so', () => {
    for (const { verdict } of goals({})) expect(verdict).toMatch(/^not measured/);
  });
});

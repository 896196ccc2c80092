import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { METRICS } from '@boi/cluster';
import { describe, expect, test } from 'vitest';
import { NODE_METRICS } from './metrics.ts';
import { type MetricSpec, MetricsRegistry } from './metrics-registry.ts';

const ALL: Readonly<Record<string, MetricSpec>> = { ...METRICS, ...NODE_METRICS };
const CALLS = { counter: 'count', gauge: 'gauge', histogram: 'observe' } as const;

/** Every call into a metric sink in production code: `count('name'`, also over several lines. */
function callsInSources(): Map<string, Set<string>> {
  const calls = new Map<string, Set<string>>();
  for (const name of ['cluster', 'node', 'worker']) {
    const root = fileURLToPath(new URL(`../../${name}/src/`, import.meta.url));
    for (const file of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts') || file.startsWith('testing')) continue;
      const text = readFileSync(`${root}${file}`, 'utf8');
      for (const [, method, metric] of text.matchAll(/\b(count|gauge|observe)\(\s*'(boi_core_\w+)'/g)) {
        calls.set(metric as string, (calls.get(metric as string) ?? new Set()).add(method as string));
      }
    }
  }
  return calls;
}

describe('the table of metrics', () => {
  const calls = callsInSources();

  test('every documented metric is emitted somewhere, in the way of its type', () => {
    const wrong = Object.entries(ALL).filter(([name, { type }]) => calls.get(name)?.has(CALLS[type]) !== true);
    expect(wrong.map(([name, { type }]) => `${name} (${type})`)).toEqual([]);
  });

  test('nothing is emitted that is not documented', () => {
    expect([...calls.keys()].filter((name) => !(name in ALL))).toEqual([]);
  });

  test('no label can hold an id', () => {
    const labels = new Set(Object.values(ALL).flatMap((m) => m.labels ?? []));
    for (const forbidden of ['task', 'spec', 'node', 'project', 'id', 'fence']) expect(labels).not.toContain(forbidden);
  });

  test('docs/metrics.md says what the table says (`npx vitest run -u` writes it anew)', async () => {
    const rows = Object.entries(ALL)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([name, m]) =>
          `| \`${name}\` | ${m.type} | ${(m.labels ?? []).map((l) => `\`${l}\``).join(', ')} | ${m.help} |`,
      );
    const text = [
      '# Metrics',
      '',
      'Served by every node at `/metrics` in the Prometheus text format. Histograms are in seconds. No label holds an id.',
      '',
      '| name | type | labels | meaning |',
      '|---|---|---|---|',
      ...rows,
    ].join('\n');
    await expect(`${text}\n`).toMatchFileSnapshot('../../../docs/metrics.md');
  });
});

test('an undeclared name, or the wrong kind of call, is a bug and is told as one', () => {
  const registry = new MetricsRegistry({ a_total: { type: 'counter', help: 'x' } });
  expect(() => registry.count('b_total')).toThrow('b_total is not a declared counter');
  expect(() => registry.gauge('a_total', 1)).toThrow('a_total is not a declared gauge');
});

test('the exposition has what was counted', async () => {
  const registry = new MetricsRegistry({
    hits_total: { type: 'counter', help: 'Hits.', labels: ['what'] },
    wait_seconds: { type: 'histogram', help: 'Wait.', buckets: [1] },
  });
  registry.count('hits_total', 2, { what: 'entry' });
  registry.observe('wait_seconds', 0.5);
  const text = await registry.text();
  expect(text).toContain('hits_total{what="entry"} 2');
  expect(text).toContain('wait_seconds_bucket{le="1"} 1');
});

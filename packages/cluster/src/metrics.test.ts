import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { METRICS } from './metrics.ts';

const sources = readdirSync(import.meta.dirname, { encoding: 'utf8', recursive: true })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'metrics.ts')
  .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
  .join('\n');

test('every metric in the table is emitted, and every metric emitted is in the table', () => {
  const emitted = new Set(
    [...sources.matchAll(/\.(count|gauge|observe)\(\s*'(boi_core_[a-z_]+)'/g)].map(([, , name]) => name),
  );
  expect([...emitted].sort()).toEqual(Object.keys(METRICS).sort());
});

test('every metric is emitted as what the table says it is', () => {
  const kinds = { count: 'counter', gauge: 'gauge', observe: 'histogram' } as const;
  for (const [, method, name] of sources.matchAll(/\.(count|gauge|observe)\(\s*'(boi_core_[a-z_]+)'/g)) {
    const { type } = METRICS[name as keyof typeof METRICS];
    expect({ name, type }).toEqual({ name, type: kinds[method as keyof typeof kinds] });
  }
});

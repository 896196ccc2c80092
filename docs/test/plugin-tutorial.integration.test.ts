/** What the plugin tutorial shows is written to a file as it stands, and judged by the conformance kit as it says. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import { expect, test } from 'vitest';

const page = readFileSync(join(import.meta.dirname, '..', 'plugins', 'tutorial.md'), 'utf8');

test('the plugin of the tutorial conforms, with as many checks as the page shows, in about twenty lines', async () => {
  const source = /```ts plugin\n(.*?)```/s.exec(page)?.[1] ?? '';
  const kind = /boi-plugin-test --kind (\w+)/.exec(page)?.[1];
  const entry = join(mkdtempSync(join(tmpdir(), 'boi-tutorial-')), 'count.ts');
  writeFileSync(entry, source);
  const program = await bundleProgram(entry);
  const results = await runConformance({
    plugin: { kind: kind as 'hooks', command: process.execPath, args: [program] },
  });
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  expect(page).toContain(`${results.length} of ${results.length} checks passed`);
  expect(source.trim().split('\n').length).toBeLessThanOrEqual(20);
}, 120_000);

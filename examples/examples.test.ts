/** The examples are read by the parser that dispatch uses, and become the tasks that their pages promise. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSpec, type SpecFormat } from '@boi/core';
import { describe, expect, test } from 'vitest';

const FILES: readonly (readonly [folder: string, format: SpecFormat, tasks: number])[] = [
  ['agents', 'yaml', 7],
  ['c-build', 'yaml', 22],
  ['files', 'toml', 22],
  ['service', 'yaml', 3],
  ['retries', 'yaml', 7],
  ['outputs', 'json', 4],
];

describe('the examples', () => {
  test('are all looked at here', () => {
    const folders = readdirSync(import.meta.dirname, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    // Plugins are no specs; they have a test of their own.
    const specs = folders.map(({ name }) => name).filter((name) => name !== 'plugins');
    expect(specs.sort()).toEqual(FILES.map(([name]) => name).sort());
  });

  test.each(FILES)('%s is a valid spec and (%s) and has %i tasks', (folder, format, tasks) => {
    const source = readFileSync(join(import.meta.dirname, folder, `spec.${format}`), 'utf8');
    const set: Record<string, string> = folder === 'agents' ? {} : { out: '/somewhere' };
    const read = parseSpec(source, format, { set });
    if (!read.ok) expect.fail(read.issues.map(({ message }) => message).join('\n'));
    expect(read.spec.name).toBe(folder);
    expect(read.spec.tasks).toHaveLength(tasks);
  });

  test.each(FILES)('%s says what its result will be', (folder) => {
    expect(readFileSync(join(import.meta.dirname, folder, 'expected.txt'), 'utf8')).toMatch(/\n$/);
  });
});

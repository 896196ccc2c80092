/** What the documentation says is held against the code: its specs are dispatched ones, its links lead somewhere, no field is missing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseSpec, SPEC_LIMITS } from '@boi/core';
import { describe, expect, test } from 'vitest';
import { SpecFile, TaskFile } from '../packages/core/src/spec/schema.ts';

const root = join(import.meta.dirname, '..');
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((name) => join(root, name)),
  ...['docs', 'examples', 'bench', 'packages', 'plugins', 'proto', 'docker', 'e2e'].flatMap((folder) =>
    filesIn(join(root, folder), /\.md$/),
  ),
].map((path) => [relative(root, path), readFileSync(path, 'utf8')] as const);

describe('the documentation', () => {
  const specs = pages.flatMap(([page, text]) =>
    [...text.matchAll(/```(yaml|json|toml)\n(.*?)```/gs)]
      .filter(([, , source = '']) => /\btasks\b/.test(source))
      .map(([, format, source]) => ({ page, format: format as 'yaml' | 'json' | 'toml', source: source ?? '' })),
  );

  test('shows specs', () => {
    expect(specs.length).toBeGreaterThanOrEqual(2);
  });

  test.each(specs)('shows a valid spec in $page', ({ format, source }) => {
    const read = parseSpec(source, format);
    expect(read.ok ? [] : read.issues).toEqual([]);
  });

  test.each(pages)('has links that lead somewhere in %s', (page, text) => {
    const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target);
    const dead = targets.filter((target) => !existsSync(join(root, dirname(page), target)));
    expect(dead).toEqual([]);
  });

  test('has the decisions that sources and pages name', () => {
    const decisions = new Set(readdirSync(join(root, 'docs/decisions')).map((name) => name.slice(0, 3)));
    const sources = ['packages', 'plugins', 'e2e', 'bench', '.ci']
      .flatMap((folder) => filesIn(join(root, folder), /\.(ts|js|mjs)$/))
      .map((path) => [relative(root, path), readFileSync(path, 'utf8')] as const);
    const named = [...sources, ...pages].flatMap(([path, text]) =>
      [...text.matchAll(/\bdecisions? (\d{3})\b/g)].map(([, number = '']) => ({ path, number })),
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter(({ number }) => !decisions.has(number))).toEqual([]);
  });

  test('names every field of a spec and of a task', () => {
    const page = readFileSync(join(root, 'docs/specs.md'), 'utf8');
    const fields = [...Object.keys(SpecFile.properties), ...Object.keys(TaskFile.properties)];
    expect(fields.filter((field) => !page.includes(`\`${field}\``))).toEqual([]);
  });

  test('states the limits of spec files as they are', () => {
    const page = readFileSync(join(root, 'docs/specs.md'), 'utf8');
    const [, limits = ''] = page.split('## Limits');
    const { sourceBytesMax, tasksDefaultMax, definitionBytesMax, needsMax, retriesMax, outputsMax, envCountMax } =
      SPEC_LIMITS;
    expect(limits.match(/[\d,]+(?= (?:MiB|KiB|tasks|needs|retries|outputs|environment))|500/g)).toEqual([
      String(sourceBytesMax / 2 ** 20),
      tasksDefaultMax.toLocaleString('en'),
      String(definitionBytesMax / 2 ** 10),
      needsMax.toLocaleString('en'),
      String(retriesMax),
      String(outputsMax),
      '4',
      String(envCountMax),
    ]);
  });
});

function filesIn(folder: string, name: RegExp): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist', 'build'].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesIn(path, name);
    return name.test(entry.name) ? [path] : [];
  });
}

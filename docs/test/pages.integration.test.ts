/**
 * Every command block of the pages below is run as a reader would, against a real etcd and real daemons of the built command,
 * and what it prints is held against the page. The blocks of a page are one test each, in order, in one shell.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureBuilt } from '../../packages/cli/test/support/build.ts';
import { stepsOf } from './blocks.ts';
import { misfit } from './expected.ts';
import { ShellSession } from './shell-session.ts';

const root = join(import.meta.dirname, '../..');
const PAGES = [
  'README.md',
  'docs/operations.md',
  'docs/specs.md',
  'docs/failure-drills.md',
  'docs/plugins/tutorial.md',
];

const BUILD_WITHIN_MS = 180_000;
const BLOCK_WITHIN_MS = 120_000;

beforeAll(ensureBuilt, BUILD_WITHIN_MS);

describe.each(PAGES)('the commands of %s', (page) => {
  const steps = stepsOf(readFileSync(join(root, page), 'utf8'));
  const run = steps.filter(({ covered }) => !covered);
  let session: ShellSession;
  // A block that does not end leaves no shell for those after it.
  let stuck: string | undefined;

  beforeAll(async () => {
    session = await ShellSession.open({ cwd: root, path: [join(root, 'node_modules/.bin')] });
  });
  afterAll(() => session?.stop());

  test('are there', () => {
    expect(run.length).toBeGreaterThan(0);
  });

  test.each(run)(
    'line $line',
    async ({ line, commands, expected }) => {
      expect(stuck, 'did not end').toBeUndefined();
      stuck = `line ${line}`;
      const printed = await session.run(commands, BLOCK_WITHIN_MS);
      stuck = undefined;
      if (expected === undefined) expect(printed).not.toMatch(/^\[exit \d+\]$/m);
      else expect(misfit(expected, printed)).toBeUndefined();
    },
    BLOCK_WITHIN_MS + 10_000,
  );
});

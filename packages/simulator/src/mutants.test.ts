/**
 * The checker is checked: every mutant of the protocol is found by the simulator within the seeds that every check of a
 * commit runs, and the unchanged code, bundled in the same way, is not.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { bundleMutant } from './mutate.ts';

const SEEDS = 200;
/** A mutant that is not caught takes as long as the whole batch. */
const LIMIT_MS = 600_000;

interface Ran {
  readonly code: number | null;
  readonly out: string;
}

async function run(bundle: string, firstSeed: number, seeds: number, jobs = 1): Promise<Ran> {
  const args = ['--first-seed', `${firstSeed}`, '--seeds', `${seeds}`, '--jobs', `${jobs}`];
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, out };
}

/** The seed that has found it before, and the one after it (a single seed would be shrunk); else all, as a check runs them. */
async function find(bundle: string, seed: number): Promise<Ran> {
  const first = await run(bundle, seed, 2);
  return first.code === 1 ? first : run(bundle, 1, SEEDS, 2);
}

describe('the simulator', () => {
  test('finds nothing in the code as it is, in one process or in two', async () => {
    const bundle = await bundleMutant('none', []);
    const { code, out } = await run(bundle, 1, 10);
    expect(out.match(/^seed \d+ held/gm)).toHaveLength(10);
    expect(code).toBe(0);
    const lines = (text: string) => text.replaceAll(/ in \d+ ms/g, '');
    expect(lines((await run(bundle, 1, 10, 2)).out)).toBe(lines(out));
  }, 120_000);

  test('has each mutant, with the seed that finds it, in its README', () => {
    const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
    const [, table = ''] = readme.split('| Changed | Found by seed |\n| --- | --- |\n');
    const rows = MUTANTS.map(({ name, seed }) => `| ${name} | ${seed} |`);
    expect(table.split('\n\n')[0]?.split('\n')).toEqual(rows);
  });

  test.each(MUTANTS)(
    'finds: $name',
    async ({ name, edits, seed }) => {
      const { code, out } = await find(await bundleMutant(name, edits), seed);
      expect(out).toMatch(/^seed \d+ FAILED: /m);
      expect(code).toBe(1);
    },
    LIMIT_MS,
  );
});

/**
 * The checker is checked: every mutant of the protocol is found by the simulator within the seeds that every check of a
 * commit runs, and the unchanged code, bundled in the same way, is not.
 */
import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { MUTANTS } from './mutants.ts';
import { bundleMutant } from './mutate.ts';

const SEEDS = 200;
/** A mutant that is not caught takes as long as the whole batch. */
const LIMIT_MS = 240_000;

async function run(bundle: string, seeds: number): Promise<{ readonly code: number | null; readonly out: string }> {
  const child = spawn(process.execPath, [bundle, '--seeds', String(seeds)], { stdio: ['ignore', 'pipe', 'inherit'] });
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

describe('the simulator', () => {
  test('finds nothing in the code as it is', async () => {
    const { code, out } = await run(await bundleMutant('none', []), 10);
    expect(out.match(/^seed \d+ held/gm)).toHaveLength(10);
    expect(code).toBe(0);
  }, 60_000);

  test.each(MUTANTS)(
    'finds: $name',
    async ({ name, edits }) => {
      const { code, out } = await run(await bundleMutant(name, edits), SEEDS);
      expect(out).toMatch(/^seed \d+ FAILED: /m);
      expect(code).toBe(1);
    },
    LIMIT_MS,
  );
});

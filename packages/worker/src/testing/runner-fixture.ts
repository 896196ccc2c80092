/** A runner on a directory of its own, with the guard built from these sources, and assignments to give it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Assignment, IdMinter, taskId } from '@boi/core';
import { createLogger, systemClock, systemRandom } from '@boi/system';
import { build } from 'esbuild';
import { ProcessRunner, type ProcessRunnerOptions } from '../process-runner.ts';

export const minter = new IdMinter(systemClock, systemRandom);
const project = minter.mint('project');
const node = minter.mint('node');
let fence = 1000;

export type AssignmentChange = Partial<Omit<Assignment, 'definition'>> & {
  readonly definition?: Partial<Assignment['definition']>;
};

/** A task of a spec of its own that runs `run`. */
export function assignment(run: Assignment['definition']['run'], change: AssignmentChange = {}): Assignment {
  const spec = minter.mint('spec');
  fence += 1;
  return {
    task: taskId(spec, 1),
    spec,
    project,
    node,
    attempt: 1,
    delivery: 1,
    fence: String(fence),
    inputs: {},
    ...change,
    definition: { ref: 'it', run, graceMs: 300, ...change.definition },
  };
}

/** Bundles a TypeScript file, so that Node runs it as a program of its own. */
export async function bundle(source: URL, outfile: string): Promise<void> {
  // Has machine code of its own, which stays where it is.
  const koffi = createRequire(import.meta.url).resolve('koffi');
  await build({
    entryPoints: [fileURLToPath(source)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@boi/source'],
    alias: { koffi },
    external: [koffi],
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
    logLevel: 'error',
  });
}

export interface Bench {
  readonly base: string;
  readonly guardProgram: string;
  /** A runner on `<base>/<name>`. */
  runner(name: string, options?: Partial<ProcessRunnerOptions>): ProcessRunner;
  close(): Promise<void>;
}

export async function bench(): Promise<Bench> {
  const base = await mkdtemp(join(tmpdir(), 'boi-worker-'));
  const guardProgram = join(base, 'guard-main.mjs');
  await bundle(new URL('../guard/guard-main.ts', import.meta.url), guardProgram);
  const runners: ProcessRunner[] = [];
  return {
    base,
    guardProgram,
    runner: (name, options = {}) => {
      const runner = new ProcessRunner({
        dataDir: join(base, name),
        clock: systemClock,
        logger: createLogger({ name: 'test', level: 'silent' }),
        guardProgram,
        ...options,
      });
      runners.push(runner);
      return runner;
    },
    close: async () => {
      for (const runner of runners) await runner.stop();
      await rm(base, { recursive: true, force: true });
    },
  };
}

/**
 * `npm run sim -- --seeds N --first-seed S --nodes N --tasks N --steps N`: runs that many simulations, one line each, and
 * stops at the first that fails, with how to replay it. Exit codes: 0 all held, 1 one did not, 2 usage.
 */
import { parseArgs } from 'node:util';
import { type Sizes, shrink } from './shrink.ts';
import { simulate } from './simulation.ts';

const OPTIONS = ['seeds', 'first-seed', 'nodes', 'tasks', 'steps'] as const;
const DEFAULTS = { seeds: 20, 'first-seed': 1, nodes: 3, tasks: 60, steps: 60 } as const;

function readOptions(args: readonly string[]): Record<(typeof OPTIONS)[number], number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      'first-seed': { type: 'string' },
      nodes: { type: 'string' },
      tasks: { type: 'string' },
      steps: { type: 'string' },
    },
  });
  const read = { ...DEFAULTS } as Record<(typeof OPTIONS)[number], number>;
  for (const name of OPTIONS) {
    const text = values[name];
    if (text === undefined) continue;
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1, not ${text}`);
    read[name] = value;
  }
  return read;
}

/** Fewer steps and tasks that still fail, by halves and then one by one, and what happens in them. */
async function explain(options: Sizes): Promise<void> {
  const small = await shrink(options, async (sizes) => (await simulate(sizes)).violations.length > 0);
  const { seed, nodes, tasks, steps } = small;
  const lines: string[] = [];
  const { violations } = await simulate({ ...small, timeline: (line) => lines.push(line) });
  process.stdout.write(
    `\nfails as well with --first-seed ${seed} --nodes ${nodes} --tasks ${tasks} --steps ${steps}:\n`,
  );
  for (const line of [...lines, ...violations]) process.stdout.write(`${line}\n`);
}

async function main(): Promise<number> {
  let read: ReturnType<typeof readOptions>;
  try {
    read = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  const { seeds, nodes, tasks, steps } = read;
  const first = read['first-seed'];
  const rejections: string[] = [];
  process.on('unhandledRejection', (error) => rejections.push(`unhandled: ${(error as Error)?.stack ?? error}`));
  for (let seed = first; seed < first + seeds; seed++) {
    const startedMs = performance.now();
    const result = await simulate({ seed, nodes, tasks, steps });
    const tookMs = Math.round(performance.now() - startedMs);
    const { specs, results, starts, revisions, virtualMs, traceHash } = result;
    const violations = [...result.violations, ...rejections];
    const line = `${specs} specs, ${results} results, ${starts} starts, ${revisions} revisions, ${virtualMs} ms simulated in ${tookMs} ms`;
    process.stdout.write(
      `seed ${seed} ${violations.length === 0 ? 'held' : 'FAILED'}: ${line}, ${traceHash.slice(0, 12)}\n`,
    );
    if (violations.length > 0) {
      for (const violation of violations.slice(0, 20)) process.stdout.write(`  ${violation}\n`);
      const more = `--nodes ${nodes} --tasks ${tasks} --steps ${steps}`;
      process.stdout.write(`replay: npm run sim -- --first-seed ${seed} --seeds 1 ${more}\n`);
      if (seeds === 1) await explain({ seed, nodes, tasks, steps });
      return 1;
    }
  }
  return 0;
}

process.exitCode = await main();

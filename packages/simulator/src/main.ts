/** `npm run sim`: see {@link USAGE}. */
import { parseArgs } from 'node:util';
import { runJobs } from './jobs.ts';
import { type Counts, sumCounts } from './kinds.ts';
import { type Sizes, shrink } from './shrink.ts';
import { DEFAULT_SIZES, simulate } from './simulation.ts';

const USAGE = `npm run sim -- [flags]: whole clusters under drawn faults, on a virtual clock; each seed is a run, told in a line.
Stops at the first seed that fails, with how to replay it. The last line counts what the seeds drew.

  --seeds N         so many (default 20; with --minutes: no end)
  --minutes N       begin no seed after so many minutes
  --first-seed N    from this one on (default 1)
  --jobs N          in so many processes (default 1)
  --nodes N, --tasks N, --steps N
                    size of a run (default ${Object.values(DEFAULT_SIZES).join(', ')})
  --without N,N     leave these steps out
  --timeline        tell a run event by event, also one that holds

With --seeds 1 a run that fails is made smaller first, and told as a timeline.
Exit codes: 0 all held, 1 one did not, 2 usage.

  npm run sim -- --seeds 200 --jobs 2
  npm run sim -- --first-seed 1000 --minutes 120 --jobs 2
  npm run sim -- --first-seed 225 --seeds 1 --nodes 5 --tasks 100 --steps 80
`;
/** As many as there is no end of. */
const SEEDS_MAX = 2 ** 31;
const MINUTE_MS = 60_000;
/** Whoever read our output has gone: 128 + SIGPIPE. */
const EXIT_PIPE = 141;

export interface Read extends Omit<Sizes, 'seed'> {
  readonly seeds: number;
  /** No seed begins later; Infinity: whenever. */
  readonly untilMs: number;
  readonly firstSeed: number;
  readonly jobs: number;
  /** Only every so many-th seed, for one of several processes. */
  readonly stride: number;
  readonly timeline: boolean;
}

/** Told by one process to the one that began it. */
export interface Told {
  readonly seed: number;
  readonly lines: readonly string[];
  readonly failed: boolean;
  readonly counts: Counts;
}

/** Undefined: help is asked for. */
function readOptions(args: readonly string[]): Read | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h' },
      seeds: text,
      minutes: text,
      'first-seed': text,
      nodes: text,
      tasks: text,
      steps: text,
      without: text,
      jobs: text,
      stride: text,
      timeline: { type: 'boolean' },
    },
  });
  if (values.help === true) return undefined;
  const whole = (name: Exclude<keyof typeof values, 'timeline' | 'help'>, fallback: number) => {
    const given = values[name];
    if (given === undefined) return fallback;
    const value = Number(given);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1, not ${given}`);
    return value;
  };
  const without = values.without?.split(',').map(Number) ?? [];
  if (without.some((step) => !Number.isInteger(step) || step < 1))
    throw new Error(`--without must be steps, whole numbers from 1 with commas between them, not ${values.without}`);
  return {
    seeds: whole('seeds', values.minutes === undefined ? 20 : SEEDS_MAX),
    untilMs: performance.now() + MINUTE_MS * whole('minutes', Number.POSITIVE_INFINITY),
    firstSeed: whole('first-seed', 1),
    nodes: whole('nodes', DEFAULT_SIZES.nodes),
    tasks: whole('tasks', DEFAULT_SIZES.tasks),
    steps: whole('steps', DEFAULT_SIZES.steps),
    without,
    jobs: whole('jobs', 1),
    stride: whole('stride', 1),
    timeline: values.timeline ?? false,
  };
}

function sizesOf(seed: number, { nodes, tasks, steps, without = [] }: Read): Sizes {
  return { seed, nodes, tasks, steps, without };
}

function argumentsOf(sizes: Sizes): string {
  return `--first-seed ${sizes.seed} --seeds 1 ${sizeArguments(sizes).join(' ')}`;
}

function sizeArguments({ nodes, tasks, steps, without = [] }: Omit<Sizes, 'seed'>): string[] {
  const less = without.length === 0 ? [] : ['--without', without.join(',')];
  return ['--nodes', `${nodes}`, '--tasks', `${tasks}`, '--steps', `${steps}`, ...less];
}

const rejections: string[] = [];
process.on('unhandledRejection', (error) => rejections.push(`unhandled: ${(error as Error)?.stack ?? error}`));

async function runSeed(seed: number, read: Read): Promise<Told> {
  const startedMs = performance.now();
  const told: string[] = [];
  const timeline = read.timeline ? { timeline: (line: string) => void told.push(line) } : {};
  const result = await simulate({ ...sizesOf(seed, read), ...timeline });
  const tookMs = Math.round(performance.now() - startedMs);
  const { specs, results, starts, revisions, virtualMs, traceHash, counts } = result;
  const violations = [...result.violations, ...rejections];
  const facts = `${specs} specs, ${results} results, ${starts} starts, ${revisions} revisions, ${virtualMs} ms simulated in ${tookMs} ms`;
  const failed = violations.length > 0;
  const lines = [...told, `seed ${seed} ${failed ? 'FAILED' : 'held'}: ${facts}, ${traceHash.slice(0, 12)}`];
  if (failed) {
    for (const violation of violations.slice(0, 20)) lines.push(`  ${violation}`);
    lines.push(`replay: npm run sim -- ${argumentsOf(sizesOf(seed, read))}`);
  }
  return { seed, lines, failed, counts };
}

/** Fewer steps and tasks that still fail, and what happens in them. */
async function explain(sizes: Sizes): Promise<void> {
  const violationOf = async (of: Sizes) => {
    const [violation] = (await simulate(of)).violations;
    // Without what differs from run to run: a smaller run that fails otherwise is not the same fault.
    return violation?.split('\n')[0]?.replaceAll(/[a-z]*-?\d+(\/\d+)?/g, '');
  };
  const violation = await violationOf(sizes);
  const small = await shrink(sizes, async (smaller) => (await violationOf(smaller)) === violation);
  const lines: string[] = [];
  const { violations } = await simulate({ ...small, timeline: (line) => lines.push(line) });
  print([`\nfails as well with ${argumentsOf(small)}:`, ...lines, ...violations]);
}

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

function closing(counts: readonly Counts[]): string {
  const sums = Object.entries(sumCounts(counts)).map(([kind, count]) => `${kind} ${count}`);
  return `${counts.length} seeds held; they drew: ${sums.join('; ')}`;
}

async function main(): Promise<number> {
  let read: Read | undefined;
  try {
    read = readOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  if (read === undefined) {
    print([USAGE.trimEnd()]);
    return 0;
  }
  const counts: Counts[] = [];
  const seeds: AsyncIterable<Told> = read.jobs > 1 ? inProcesses(read) : inTurn(read);
  for await (const told of seeds) {
    // One of several: whoever began it prints.
    if (process.send !== undefined) {
      process.send(told);
      continue;
    }
    print(told.lines);
    counts.push(told.counts);
    if (!told.failed) continue;
    if (read.seeds === 1) await explain(sizesOf(told.seed, read));
    return 1;
  }
  if (process.send === undefined) print([closing(counts)]);
  return 0;
}

function inProcesses(read: Read): AsyncGenerator<Told> {
  const args = [...sizeArguments(read), ...(read.timeline ? ['--timeline'] : [])];
  const { jobs, firstSeed: first, seeds, untilMs } = read;
  return runJobs({ jobs, first, seeds, untilMs, args });
}

async function* inTurn(read: Read): AsyncGenerator<Told> {
  const end = read.firstSeed + read.seeds;
  for (let seed = read.firstSeed; seed < end && performance.now() < read.untilMs; seed += read.stride)
    yield await runSeed(seed, read);
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT_PIPE);
});
process.exitCode = await main();
if (process.send !== undefined) process.disconnect();

/**
 * `npm run soak -- --minutes 20 --tasks 50000 [--nodes 4] [--seed N] [--keep DIR] [--quiet]`: one soak, what happens in it on
 * standard error, its summary on standard output. Ctrl-C ends it early, with its verdict. Exit codes: 0 all held, 1 something did not, 2 usage.
 */
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';
import { summary } from './summary.ts';

function read() {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      tasks: { type: 'string', default: '50000' },
      nodes: { type: 'string', default: '4' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      keep: { type: 'string' },
      quiet: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'minutes' | 'tasks' | 'nodes' | 'seed', least: number) => {
    const value = Number(values[name]);
    if (!(value >= least) || (name !== 'minutes' && !Number.isInteger(value)))
      throw new Error(`--${name} ${values[name]}: must be a number of at least ${least}`);
    return value;
  };
  return {
    minutes: number('minutes', 0.1),
    tasks: number('tasks', 1),
    nodes: number('nodes', 3),
    seed: number('seed', 0),
    keep: values.keep,
    quiet: values.quiet,
  };
}

async function main(): Promise<number> {
  let options: ReturnType<typeof read>;
  try {
    options = read();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 2;
  }
  const { quiet, ...what } = options;
  process.stderr.write(
    `soak with --seed ${what.seed} --minutes ${what.minutes} --tasks ${what.tasks} --nodes ${what.nodes}\n`,
  );
  const say = (line: string) => {
    if (!quiet) process.stderr.write(`${line}\n`);
  };
  const enough = new AbortController();
  process.once('SIGINT', () => {
    process.stderr.write('no more faults and no more work; judging what was handed in\n');
    enough.abort();
  });
  const report = await soak({ ...what, say, enough: enough.signal });
  process.stdout.write(`${summary(report).join('\n')}\n`);
  return report.violations.length === 0 ? 0 : 1;
}

process.exitCode = await main();

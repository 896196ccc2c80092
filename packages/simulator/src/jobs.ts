/** The seeds of one call in several processes, each with every so many-th of them; told in the order of the seeds. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Told } from './main.ts';

export interface JobsOptions {
  readonly jobs: number;
  readonly first: number;
  readonly seeds: number;
  /** On the clock of `performance`: what is not told by then is left. */
  readonly untilMs: number;
  /** Of each process, besides which seeds are its own. */
  readonly args: readonly string[];
}

export async function* runJobs({ jobs, first, seeds, untilMs, args }: JobsOptions): AsyncGenerator<Told> {
  const told = new Map<number, Told>();
  let wake: () => void = () => {};
  let failure: Error | undefined;
  const children: ChildProcess[] = [];
  for (let n = 0; n < Math.min(jobs, seeds); n++) {
    const own = ['--first-seed', `${first + n}`, '--seeds', `${seeds - n}`, '--stride', `${jobs}`];
    const child = fork(process.argv[1] as string, [...args, ...own], { stdio: 'inherit' });
    children.push(child);
    child.on('message', (message) => {
      told.set((message as Told).seed, message as Told);
      wake();
    });
    child.on('exit', (code) => {
      if (code !== 0) failure = new Error(`a process of the simulation ended with ${code}`);
      wake();
    });
  }
  try {
    for (let seed = first; seed < first + seeds && performance.now() < untilMs; seed++) {
      while (!told.has(seed)) {
        if (failure !== undefined) throw failure;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      yield told.get(seed) as Told;
    }
  } finally {
    for (const child of children) child.kill();
  }
}

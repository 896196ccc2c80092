/**
 * Has the commands of a task run by a pool, as one program: a pool runs one for each claim, and verification belongs where the
 * files are. Which command failed is left in a file beside the outputs; without the file, on a pool that does not share it, it is
 * told as a failure of `run`.
 */
import { readFile } from 'node:fs/promises';
import type { Command } from '@boi/core';
import type { PooledTask, TaskPool } from '../ports.ts';
import { failed, failedCommand } from './ending.ts';
import type { Executed, Execution, ExecutionDeps } from './execution.ts';
import type { Workspace } from './workspace.ts';

export interface InPoolDeps extends ExecutionDeps {
  readonly pool: TaskPool;
}

export class InPool implements Execution {
  readonly #deps: InPoolDeps;
  #pooled: PooledTask | undefined;

  constructor(deps: InPoolDeps) {
    this.#deps = deps;
  }

  stop(graceMs: number): void {
    this.#pooled?.stop(graceMs);
  }

  async run(
    commands: readonly Command[],
    workspace: Workspace,
    env: Readonly<Record<string, string>>,
  ): Promise<Executed> {
    const { assignment, pool, output, onStart } = this.#deps;
    const { task, fence, attempt, delivery, definition } = assignment;
    const stepFile = workspace.beside('step');
    this.#pooled = pool.run({
      task,
      fence,
      attempt,
      delivery,
      ...(definition.pool === undefined ? {} : { pool: definition.pool }),
      argv: poolProgram(commands, stepFile),
      env,
      workdir: workspace.dir,
      slots: definition.slots ?? 1,
      onStart,
      onOutput: (stream, bytes) => output.write(stream, bytes),
    });
    const end = await this.#pooled.done;
    output.flush();
    if ('startError' in end) return { ending: failed('start-failed', end.startError) };
    if ('lost' in end) return { ending: failed('lost', end.lost) };
    if (end.exitCode === 0) return { exit: end };
    const step = await failedStep(stepFile, commands.length);
    return { ending: failedCommand(end, step, commands[step] ?? ''), exit: end };
  }
}

/** The program for the commands in their order. `stepFile` gets the place, from 0, of the one that failed. */
export function poolProgram(commands: readonly Command[], stepFile: string): readonly string[] {
  const [first = ''] = commands;
  if (commands.length <= 1) return argvOf(first);
  const lines = commands.map(
    (command, step) =>
      `${argvOf(command).map(quoted).join(' ')} || { c=$?; echo ${step} >${quoted(stepFile)}; exit $c; }`,
  );
  return ['/bin/sh', '-c', lines.join('\n')];
}

/** The place of the command that failed, 0 if nothing tells. */
async function failedStep(stepFile: string, commands: number): Promise<number> {
  const step = Number(await readFile(stepFile, 'utf8').catch(() => '0'));
  return Number.isInteger(step) && step > 0 && step < commands ? step : 0;
}

function argvOf(command: Command): readonly string[] {
  return typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

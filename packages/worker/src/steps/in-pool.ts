/**
 * Has the commands of a task run by a pool, as one program: a pool runs one for each claim, and verification belongs where the
 * files are. Which command failed is left in a file beside the outputs; without the file, on a pool that does not share it, it is
 * told as a failure of `run`.
 *
 * With a {@link KeptClaim} the next life of a daemon that was killed goes on where this one was: a piece of output is acknowledged
 * when it is in the log's files and the claim says so, the end is kept before the pool forgets it.
 */
import { readFile } from 'node:fs/promises';
import type { Command } from '@boi/core';
import type { KeptClaim } from '../pooled/kept-claim.ts';
import type { PooledTask, PoolRun, TaskPool } from '../ports.ts';
import { failed, failedCommand } from './ending.ts';
import type { Executed, Execution, ExecutionDeps } from './execution.ts';
import type { Workspace } from './workspace.ts';

export interface InPoolDeps extends ExecutionDeps {
  readonly pool: TaskPool;
  /** Absent: it is not taken up by another life of the daemon. */
  readonly kept: KeptClaim | undefined;
  /** Started by an earlier life. `lost`: why it cannot be followed. */
  readonly resumed: { readonly lost: string | undefined } | undefined;
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

  leave(): void {
    this.#pooled?.leave();
  }

  async run(
    commands: readonly Command[],
    workspace: Workspace,
    env: Readonly<Record<string, string>>,
  ): Promise<Executed> {
    const { assignment, pool, output, onStart, kept } = this.#deps;
    const { task, fence, attempt, delivery, definition } = assignment;
    const stepFile = workspace.beside('step');
    const request = this.#request();
    this.#pooled = pool.run({
      task,
      fence,
      attempt,
      delivery,
      ...(request === undefined ? {} : { pool: request }),
      argv: poolProgram(commands, stepFile),
      env,
      workdir: workspace.dir,
      slots: definition.slots ?? 1,
      onStart,
      onOutput: (stream, bytes, taken) => this.#take(stream, bytes, taken),
      ...(kept === undefined ? {} : { onEnd: (end) => kept.set({ end }) }),
      ...this.#resume(),
    });
    const end = await this.#pooled.done;
    if (end === 'left') throw new Error('it is left to the next life of the daemon');
    output.flush();
    if ('startError' in end) return { ending: failed('start-failed', end.startError) };
    if ('lost' in end) return { ending: failed('lost', end.lost) };
    const exit = { exitCode: end.exitCode, signal: end.signal };
    if (end.exitCode === 0) return { exit };
    const step = await failedStep(stepFile, commands.length);
    return { ending: failedCommand(exit, step, commands[step] ?? ''), exit };
  }

  /** Of one that runs: from the plugin that runs it, whichever is the first by now. */
  #request(): PoolRun['pool'] {
    const { kept, resumed, assignment } = this.#deps;
    const { pool } = assignment.definition;
    return resumed === undefined || kept === undefined ? pool : { ...pool, plugin: kept.facts.plugin };
  }

  #resume(): Pick<PoolRun, 'resume'> {
    const { kept, resumed } = this.#deps;
    if (kept === undefined || resumed === undefined) return {};
    const { lost } = resumed;
    const end = kept.facts.end ?? (lost === undefined ? undefined : { lost });
    return { resume: { offset: kept.place.taken, ...(end === undefined ? {} : { end }) } };
  }

  async #take(stream: 'stdout' | 'stderr', bytes: Buffer, taken: number): Promise<boolean> {
    const { output, kept } = this.#deps;
    await output.write(stream, bytes);
    if (kept === undefined) return true;
    const logBytes = await output.settled();
    if (logBytes === undefined) return false;
    await kept.keepPlace({ taken, logBytes });
    return true;
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

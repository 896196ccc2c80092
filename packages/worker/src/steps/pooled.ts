/**
 * What a pool runs for a task: `run` and the `verify` commands as one program, since a pool runs one program per claim and
 * verification belongs where the files are. Which of them failed is left in a file beside the outputs; without the file, on
 * a pool that does not share it, it is told as a failure of `run`.
 */
import { readFile } from 'node:fs/promises';
import type { Command } from '@boi/core';

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
export async function failedStep(stepFile: string, commands: number): Promise<number> {
  const step = Number(await readFile(stepFile, 'utf8').catch(() => '0'));
  return Number.isInteger(step) && step > 0 && step < commands ? step : 0;
}

function argvOf(command: Command): readonly string[] {
  return typeof command === 'string' ? ['/bin/sh', '-c', command] : command;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

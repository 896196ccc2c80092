/**
 * A file outside the cluster to which tasks append one line per effect: `task attempt fence`. Appends of one short line are
 * atomic, so what it holds is what was done, whatever the store says.
 */
import { existsSync, readFileSync } from 'node:fs';

export interface WitnessLine {
  readonly word: string;
  readonly task: string;
  readonly attempt: number;
  readonly fence: string;
}

export class Witness {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A shell command that appends a line; `word` tells the effects of one task apart. */
  says(word: string): string {
    return `echo "${word} $BOI_TASK_ID $BOI_ATTEMPT $BOI_FENCE" >> '${this.path}'`;
  }

  lines(word?: string): WitnessLine[] {
    if (!existsSync(this.path)) return [];
    return readFileSync(this.path, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [said = '', task = '', attempt = '', fence = ''] = line.split(' ');
        return { word: said, task, attempt: Number(attempt), fence };
      })
      .filter((line) => word === undefined || line.word === word);
  }

  /** Most tasks at once between their `begin` and their `end` lines, over the fences that wrote both. */
  overlap(begin = 'begin', end = 'end'): number {
    let now = 0;
    let most = 0;
    for (const { word } of this.lines()) {
      if (word === begin) now += 1;
      else if (word === end) now -= 1;
      most = Math.max(most, now);
    }
    return most;
  }
}

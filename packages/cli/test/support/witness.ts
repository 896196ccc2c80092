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

  /** Most copies at once between their `begin` and their `end`. One that was killed has no `end` and is not counted. */
  overlap(): number {
    const lines = this.lines();
    const copyOf = ({ task, fence }: WitnessLine) => `${task} ${fence}`;
    const ended = new Set(lines.filter(({ word }) => word === 'end').map(copyOf));
    const alive = new Set<string>();
    let most = 0;
    for (const line of lines) {
      if (line.word === 'end') alive.delete(copyOf(line));
      else if (line.word === 'begin' && ended.has(copyOf(line))) alive.add(copyOf(line));
      most = Math.max(most, alive.size);
    }
    return most;
  }
}

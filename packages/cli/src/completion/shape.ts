/** What the completion scripts of all shells are made from: the words of each command and what its flags and arguments take. */
import type { Command, Completes, Flag } from '../command.ts';
import { GLOBAL_FLAGS } from '../parse.ts';

export interface CommandShape {
  /** `spec list`. */
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** For each argument in turn; the last stands for all further ones if it repeats. */
  readonly arguments: readonly { readonly completes?: Completes; readonly choices?: readonly string[] }[];
  readonly repeats: boolean;
}

export function shapesOf(table: readonly Command[]): CommandShape[] {
  return table
    .filter((command) => command.hidden !== true)
    .map((command) => ({
      name: command.path.join(' '),
      summary: command.summary,
      flags: [...(command.flags ?? []), ...GLOBAL_FLAGS],
      arguments: command.positionals ?? [],
      repeats: command.positionals?.at(-1)?.many === true,
    }));
}

/** First words, with the verbs of those that are nouns. */
export function firstWords(shapes: readonly CommandShape[]): Map<string, { summary: string; verbs: CommandShape[] }> {
  const words = new Map<string, { summary: string; verbs: CommandShape[] }>();
  for (const shape of shapes) {
    const [first = '', verb] = shape.name.split(' ');
    const entry = words.get(first) ?? {
      summary: verb === undefined ? shape.summary : `Commands on ${first}`,
      verbs: [],
    };
    if (verb !== undefined) entry.verbs.push(shape);
    words.set(first, entry);
  }
  return words;
}

/** In single quotes, for any POSIX-like shell. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

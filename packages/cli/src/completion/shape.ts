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

/** Scripts look at two words; commands of three are offered as arguments of their first two, with the flags of all. */
export function shapesOf(table: readonly Command[]): CommandShape[] {
  const shapes = new Map<string, CommandShape>();
  for (const command of table.filter(({ hidden }) => hidden !== true)) {
    const [noun, verb, third] = command.path;
    const flags = [...(command.flags ?? []), ...GLOBAL_FLAGS];
    const own = command.positionals ?? [];
    const repeats = own.at(-1)?.many === true;
    if (third === undefined) {
      const name = command.path.join(' ');
      shapes.set(name, { name, summary: command.summary, flags, arguments: own, repeats });
      continue;
    }
    const name = `${noun} ${verb}`;
    const before = shapes.get(name);
    const known = new Set(before?.flags.map((flag) => flag.name));
    const [first, ...rest] = before?.arguments ?? [{ choices: [] }];
    shapes.set(name, {
      name,
      summary: `Commands on ${name}`,
      flags: [...(before?.flags ?? []), ...flags.filter((flag) => !known.has(flag.name))],
      arguments: [{ choices: [...(first?.choices ?? []), third] }, ...(rest.length > 0 ? rest : own)],
      repeats: repeats || before?.repeats === true,
    });
  }
  return [...shapes.values()];
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

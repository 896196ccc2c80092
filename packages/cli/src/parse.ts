/**
 * From words to a command and its arguments. The command is found in the table by its first words; its flags are then given
 * to yargs-parser, which splits them; what they mean, and every complaint, comes from the table. All usage errors are `bad-request`
 * (exit 2), all of them at once, with the nearest known word.
 */
import { BoiError, type Issue } from '@boi/core/errors';
import { didYouMean } from '@boi/core/spec/suggest';
import { Args, type FlagValue } from './args.ts';
import type { Command, Flag } from './command.ts';
import { readFlag } from './flag-values.ts';
import { SETTINGS } from './settings.ts';

/** Flags every command has. */
export const GLOBAL_FLAGS: readonly Flag[] = [
  ...SETTINGS,
  { name: 'no-color', kind: 'switch', summary: 'As --color never.' },
  { name: 'help', short: 'h', kind: 'switch', summary: 'Show the help of the command.' },
];

/** Global flags that take a value may stand before the command, so finding it must know to skip the value. */
export function findCommand(
  table: readonly Command[],
  words: readonly string[],
): { readonly command: Command; readonly rest: readonly string[] } | { readonly prefix: readonly string[] } {
  const before: string[] = [];
  let at = 0;
  while (words[at]?.startsWith('-') && words[at] !== '--') {
    const word = words[at] as string;
    before.push(word);
    const flag = GLOBAL_FLAGS.find((f) => word === `--${f.name}` || word === `-${f.short}`);
    if (flag !== undefined && flag.kind !== 'switch' && words[at + 1] !== undefined) before.push(words[++at] as string);
    at++;
  }
  const path = words.slice(at);
  // The longest path wins.
  for (let length = Math.min(3, path.length); length > 0; length--) {
    const command = table.find((c) => c.path.length === length && c.path.every((word, i) => word === path[i]));
    if (command !== undefined) return { command, rest: [...before, ...path.slice(length)] };
  }
  const words1 = path.slice(
    0,
    path.findIndex((w) => w.startsWith('-')) >= 0 ? path.findIndex((w) => w.startsWith('-')) : undefined,
  );
  return { prefix: words1 };
}

/** Throws what is wrong with a first word, or the words, no command has. */
export function unknownCommand(table: readonly Command[], prefix: readonly string[]): BoiError {
  const [first = ''] = prefix;
  const visible = table.filter((c) => c.hidden !== true);
  const group = visible.filter((c) => c.path.length > 1 && c.path[0] === first);
  if (group.length > 0) {
    const verbs = group.map((c) => c.path.slice(1).join(' '));
    const [, verb] = prefix;
    const message =
      verb === undefined
        ? `\`boi-node ${first}\` needs a verb: ${verbs.join(', ')}`
        : `there is no command \`${first} ${verb}\`${didYouMean(verb, verbs)}; there are ${verbs.join(', ')}`;
    return new BoiError('bad-request', message);
  }
  const firsts = [...new Set(visible.map((c) => c.path[0] as string))];
  return new BoiError(
    'bad-request',
    `there is no command \`${first}\`${didYouMean(first, firsts)}; see \`boi-node --help\``,
  );
}

export interface Parsed {
  readonly args: Args;
  readonly help: boolean;
}

export async function parseArgs(command: Command, words: readonly string[]): Promise<Parsed> {
  const flags = [...GLOBAL_FLAGS, ...(command.flags ?? [])];
  const found = await split(flags, words);
  const issues: Issue[] = [];
  const complain = (path: string, message: string) => issues.push({ path, message });
  const values = new Map<string, FlagValue>();
  for (const [key, texts] of found.flags) {
    const flag = flags.find((f) => f.name === key || f.short === key);
    if (flag === undefined) {
      const known = flags.map((f) => `--${f.name}`);
      const dashes = key.length === 1 ? '-' : '--';
      complain(key, `${dashes}${key}: \`${command.path.join(' ')}\` has no such flag${didYouMean(`--${key}`, known)}`);
      continue;
    }
    const repeated = flag.kind === 'texts' || flag.kind === 'pairs' || flag.kind === 'switch';
    if (texts.length > 1 && !repeated) {
      complain(flag.name, `--${flag.name} was given ${texts.length} times; it takes one value`);
      continue;
    }
    const reading = readFlag(flag, flag.kind === 'switch' ? texts.slice(-1) : texts);
    if (reading.ok) values.set(flag.name, reading.value);
    else complain(flag.name, `--${flag.name} ${reading.problem}`);
  }
  if (values.get('no-color') === true) values.set('color', 'never');
  const help = values.get('help') === true;
  const positionals = takePositionals(command, found.positionals, complain);
  if (found.rest.length > 0 && command.takesCommand !== true) {
    complain('--', `\`${command.path.join(' ')}\` takes nothing after \`--\``);
  }
  if (issues.length > 0 && !help) {
    const usage = `see \`boi-node ${command.path.join(' ')} --help\``;
    throw new BoiError('bad-request', usage, { issues });
  }
  return { args: new Args(command, values, positionals, found.rest), help };
}

function takePositionals(
  command: Command,
  given: readonly string[],
  complain: (path: string, message: string) => void,
): ReadonlyMap<string, readonly string[]> {
  const taken = new Map<string, readonly string[]>();
  let at = 0;
  for (const positional of command.positionals ?? []) {
    const texts = positional.many ? given.slice(at) : given.slice(at, at + 1);
    at += texts.length;
    if (texts.length === 0 && positional.optional !== true)
      complain(positional.name, `${positional.name.toUpperCase()} is missing: ${positional.summary}`);
    for (const text of texts) {
      // A shell completes an empty word too.
      if (text === '' && positional.optional === true) continue;
      if (text === '') complain(positional.name, `${positional.name.toUpperCase()} must not be empty`);
      else if (positional.choices !== undefined && !positional.choices.includes(text)) {
        complain(
          positional.name,
          `${positional.name.toUpperCase()} must be one of ${positional.choices.join(', ')}${didYouMean(text, positional.choices)}`,
        );
      }
    }
    taken.set(positional.name, texts);
  }
  for (const extra of given.slice(at)) complain('', `${JSON.stringify(extra)} is one argument too many`);
  return taken;
}

interface Split {
  readonly flags: ReadonlyMap<string, readonly string[]>;
  readonly positionals: readonly string[];
  readonly rest: readonly string[];
}

async function split(flags: readonly Flag[], words: readonly string[]): Promise<Split> {
  const { default: parse } = await import('yargs-parser');
  const switches = flags.filter(({ kind }) => kind === 'switch').map(({ name }) => name);
  const valued = flags.filter(({ kind }) => kind !== 'switch').map(({ name }) => name);
  const { argv: parsed, error } = parse.detailed([...words], {
    alias: Object.fromEntries(flags.flatMap(({ name, short }) => (short === undefined ? [] : [[name, [short]]]))),
    boolean: switches,
    string: valued,
    narg: Object.fromEntries(valued.map((name) => [name, 1])),
    configuration: {
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      // `--no-context` is a flag of its own, not the opposite of `--context`.
      'boolean-negation': false,
      'populate--': true,
      'strip-aliased': true,
      'greedy-arrays': false,
    },
  });
  if (error !== null) throw new BoiError('bad-request', error.message);
  const found = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(parsed)) {
    if (key === '_' || key === '--' || value === undefined) continue;
    found.set(key, (Array.isArray(value) ? value : [value]).map(String));
  }
  return {
    flags: found,
    positionals: parsed._.map(String),
    rest: ((parsed['--'] as string[] | undefined) ?? []).map(String),
  };
}

/** Help from the table, for terminals; `docs.ts` makes the same into a page. */
import type { Command, Flag, Positional } from './command.ts';
import { sayDuration } from './flag-values.ts';
import type { Paint } from './output/paint.ts';
import { displayWidth, padTo } from './output/width.ts';
import { GLOBAL_FLAGS } from './parse.ts';
import { SETTINGS, variableOf } from './settings.ts';

export const PROGRAM = 'boi-node';

export function usageOf(command: Command): string {
  const own = (command.flags ?? []).length > 0 ? ' [flags]' : '';
  const positionals = (command.positionals ?? []).map((p) => ` ${usagePositional(p)}`).join('');
  return `${PROGRAM} ${command.path.join(' ')}${own}${positionals}${command.takesCommand ? ' -- COMMAND [ARGUMENT…]' : ''}`;
}

function usagePositional(positional: Positional): string {
  const name = `${positional.name.toUpperCase()}${positional.many ? '…' : ''}`;
  return positional.optional ? `[${name}]` : name;
}

/** `--deadline DURATION`. */
export function flagTerm(flag: Flag): string {
  const short = flag.short === undefined ? '' : `-${flag.short}, `;
  return `${short}--${flag.name}${flag.kind === 'switch' ? '' : ` ${valueWord(flag)}`}`;
}

function valueWord(flag: Flag): string {
  if (flag.value !== undefined) return flag.value;
  switch (flag.kind) {
    case 'choice':
      return (flag.choices ?? []).join('|');
    case 'integer':
      return 'N';
    case 'duration':
      return 'DURATION';
    case 'bytes':
      return 'BYTES';
    case 'pairs':
      return 'KEY=VALUE';
    default:
      return 'TEXT';
  }
}

/** Summary with unit, default, range and whether it may be repeated. */
export function flagText(flag: Flag): string {
  const facts: string[] = [];
  if (flag.kind === 'texts' || flag.kind === 'pairs') facts.push('may be repeated');
  const say = flag.kind === 'duration' ? sayDuration : String;
  if (flag.min !== undefined && flag.max !== undefined) facts.push(`${say(flag.min)} to ${say(flag.max)}`);
  else if (flag.min !== undefined) facts.push(`at least ${say(flag.min)}`);
  if (flag.default !== undefined) facts.push(`default ${flag.default}`);
  if (SETTINGS.some((s) => s.name === flag.name)) facts.push(`env ${variableOf(flag.name)}`);
  return facts.length === 0 ? flag.summary : `${flag.summary} (${facts.join('; ')})`;
}

export function commandHelp(command: Command, paint: Paint, columns: number): string {
  const parts = [`${command.summary}\n`, `${paint.bold('Usage:')} ${usageOf(command)}\n`];
  for (const paragraph of command.description ?? []) parts.push(`${wrap(paragraph, 0, columns)}\n`);
  const terms = (title: string, rows: readonly (readonly [string, string])[]) => {
    if (rows.length > 0) parts.push(`${paint.bold(title)}\n${list(rows, columns)}`);
  };
  terms(
    'Arguments:',
    (command.positionals ?? []).map((p) => [p.name.toUpperCase(), p.summary]),
  );
  terms(
    'Flags:',
    (command.flags ?? []).map((f) => [flagTerm(f), flagText(f)]),
  );
  terms(
    'Flags of every command:',
    GLOBAL_FLAGS.map((f) => [flagTerm(f), flagText(f)]),
  );
  if (command.examples.length > 0) {
    const lines = command.examples.map((e) => `  ${paint.dim(`# ${e.does}`)}\n  ${e.line}\n`);
    parts.push(`${paint.bold('Examples:')}\n${lines.join('')}`);
  }
  return parts.join('\n');
}

/** The commands below `prefix`; all of them for none. */
export function overviewHelp(
  table: readonly Command[],
  prefix: readonly string[],
  paint: Paint,
  columns: number,
): string {
  const shown = table.filter((c) => c.hidden !== true && prefix.every((word, i) => c.path[i] === word));
  const head =
    prefix.length === 0
      ? 'Runs specs of tasks on a cluster of nodes.\n'
      : `Commands of \`${PROGRAM} ${prefix.join(' ')}\`.\n`;
  return [
    head,
    `${paint.bold('Usage:')} ${PROGRAM} ${prefix.length === 0 ? 'COMMAND' : `${prefix.join(' ')} VERB`} [flags]\n`,
    `${paint.bold('Commands:')}\n${list(
      shown.map((c) => [c.path.join(' '), c.summary]),
      columns,
    )}`,
    `${paint.bold('Flags of every command:')}\n${list(
      GLOBAL_FLAGS.map((f) => [flagTerm(f), flagText(f)]),
      columns,
    )}`,
    `${paint.bold('Exit codes:')}\n${list(EXIT_CODES, columns)}`,
    `\`${PROGRAM} COMMAND --help\` tells more. \`${PROGRAM} dev\` starts a cluster on this machine.\n`,
  ].join('\n');
}

export const EXIT_CODES = [
  ['0', 'It worked; with --wait, --tail and `spec wait`: every task succeeded.'],
  ['1', 'The work failed.'],
  ['2', 'Usage: arguments, configuration or a spec file have errors.'],
  ['3', 'The cluster, its store or a node cannot be reached.'],
  ['4', 'There is no such thing.'],
  ['5', 'Refused: authority, or a state that does not allow it.'],
  ['130', 'Ctrl-C while waiting; the work goes on. `run` cancels its task instead.'],
] as const;

function list(rows: readonly (readonly [string, string])[], columns: number): string {
  const width = Math.min(32, Math.max(0, ...rows.map(([term]) => displayWidth(term))));
  return rows
    .map(([term, text]) => {
      const wrapped = wrap(text, width + 4, columns);
      return displayWidth(term) > width
        ? `  ${term}\n${' '.repeat(width + 4)}${wrapped}\n`
        : `  ${padTo(term, width)}  ${wrapped}\n`;
    })
    .join('');
}

/** Breaks at spaces; lines after the first are indented. */
function wrap(text: string, indent: number, columns: number): string {
  const width = Math.max(30, columns - indent);
  const out: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > width) {
      out.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...out, line].join(`\n${' '.repeat(indent)}`);
}

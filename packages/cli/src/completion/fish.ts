/** The completion script of fish: one `complete` line per word, flag and argument. */
import type { Command } from '../command.ts';
import { type CommandShape, firstWords, shapesOf } from './shape.ts';

export function fishScript(table: readonly Command[]): string {
  const shapes = shapesOf(table);
  const lines: string[] = [];
  for (const [word, { summary, verbs }] of firstWords(shapes)) {
    lines.push(`complete -c boi-node -f -n __fish_use_subcommand -a ${word} -d ${quoted(summary)}`);
    const names = verbs.map((v) => v.name.split(' ')[1]).join(' ');
    for (const verb of verbs) {
      const condition = `__fish_seen_subcommand_from ${word}; and not __fish_seen_subcommand_from ${names}`;
      lines.push(
        `complete -c boi-node -f -n ${quoted(condition)} -a ${verb.name.split(' ')[1]} -d ${quoted(verb.summary)}`,
      );
    }
  }
  for (const shape of shapes) lines.push(...commandLines(shape));
  return `# fish completion of boi-node; put it into ~/.config/fish/completions/boi-node.fish
function __boi_node_names
  boi-node __complete $argv[1] (commandline -ct) 2>/dev/null
end
${lines.join('\n')}
`;
}

function commandLines(shape: CommandShape): string[] {
  const condition = shape.name
    .split(' ')
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join('; and ');
  const head = `complete -c boi-node -n ${quoted(condition)}`;
  const lines = shape.flags.map((flag) => {
    const short = flag.short === undefined ? '' : ` -s ${flag.short}`;
    const value = flag.kind === 'switch' ? '' : ` -r${offer(flag)}`;
    return `${head}${short} -l ${flag.name}${value} -d ${quoted(flag.summary)}`;
  });
  const offers = new Set(shape.arguments.map(offer).filter((o) => o !== ''));
  for (const o of offers) lines.push(`${head}${o}`);
  return lines;
}

function offer({ completes, choices }: { completes?: string; choices?: readonly string[] }): string {
  if (choices !== undefined) return ` -f -a ${quoted(choices.join(' '))}`;
  if (completes === 'file' || completes === 'directory') return ' -F';
  return completes === undefined ? '' : ` -f -a ${quoted(`(__boi_node_names ${completes})`)}`;
}

/** fish escapes the quote and the backslash within single quotes, unlike other shells. */
function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

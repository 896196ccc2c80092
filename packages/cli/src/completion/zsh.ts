/** The completion script of zsh: one `_arguments` call per command. */
import type { Command, Flag } from '../command.ts';
import { type CommandShape, firstWords, quoted, shapesOf } from './shape.ts';

export function zshScript(table: readonly Command[]): string {
  const shapes = shapesOf(table);
  const words = firstWords(shapes);
  const describe = (rows: readonly (readonly [string, string])[]) =>
    rows.map(([word, summary]) => quoted(`${word}:${summary.replaceAll(':', '\\:')}`)).join(' ');
  const nouns = [...words].filter(([, { verbs }]) => verbs.length > 0);
  return `#compdef boi-node
# zsh completion of boi-node; put it as _boi-node into a directory of $fpath, or source it.
_boi_node_names() {
  local -a names
  names=(\${(f)"$(boi-node __complete $1 "$PREFIX" 2>/dev/null)"})
  compadd -S '' -a names
}
_boi_node() {
  local -a verbs
  if (( CURRENT == 2 )); then
    verbs=(${describe([...words].map(([word, { summary }]) => [word, summary] as const))})
    _describe command verbs
    return
  fi
  local noun=$words[2] command=$words[2] shift_by=1
  case $noun in
${nouns
  .map(
    ([noun, { verbs }]) => `    ${noun})
      if (( CURRENT == 3 )); then
        verbs=(${describe(verbs.map((v) => [v.name.split(' ')[1] as string, v.summary] as const))})
        _describe verb verbs
        return
      fi
      command="$noun $words[3]"; shift_by=2;;
`,
  )
  .join('')}  esac
  shift $shift_by words
  (( CURRENT -= shift_by ))
  case $command in
${shapes.map(argumentsCase).join('')}  esac
}
if [[ $funcstack[1] == _boi-node || $zsh_eval_context[-1] == loadautofunc ]]; then
  _boi_node "$@"
else
  compdef _boi_node boi-node
fi
`;
}

function argumentsCase(shape: CommandShape): string {
  const flags = shape.flags.flatMap(flagSpecs);
  const positionals = shape.arguments.map((argument, i) => {
    const many = shape.repeats && i === shape.arguments.length - 1;
    return quoted(`${many ? '*' : i + 1}:argument:${action(argument)}`);
  });
  return `    ${quoted(shape.name)}) _arguments ${[...flags, ...positionals].join(' ')};;\n`;
}

function flagSpecs(flag: Flag): string[] {
  const summary = flag.summary.replace(/[[\]:]/g, '\\$&');
  const repeated = flag.kind === 'texts' || flag.kind === 'pairs' ? '*' : '';
  const value = flag.kind === 'switch' ? '' : `:value:${action(flag)}`;
  const names = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
  return names.map((name) => quoted(`${repeated}${name}[${summary}]${value}`));
}

function action({ completes, choices }: { completes?: string; choices?: readonly string[] }): string {
  if (choices !== undefined) return `(${choices.join(' ')})`;
  if (completes === 'file') return '_files';
  if (completes === 'directory') return '_files -/';
  return completes === undefined ? ' ' : `_boi_node_names ${completes}`;
}

/** The completion script of bash, without the bash-completion package. */
import type { Command } from '../command.ts';
import { type CommandShape, firstWords, quoted, shapesOf } from './shape.ts';

export function bashScript(table: readonly Command[]): string {
  const shapes = shapesOf(table);
  const words = firstWords(shapes);
  const nouns = [...words].filter(([, { verbs }]) => verbs.length > 0);
  const verbs = nouns.map(
    ([noun, entry]) =>
      `      ${noun}) _boi_node_words ${quoted(entry.verbs.map((v) => v.name.split(' ')[1]).join(' '))};;`,
  );
  return `# bash completion of boi-node; source it, or put it where bash-completion looks.
_boi_node_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$_boi_cur"); }
_boi_node_names() {
  mapfile -t COMPREPLY < <("\${COMP_WORDS[0]}" __complete "$1" "$_boi_cur" 2>/dev/null)
  [[ \${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null
}
_boi_node_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$_boi_cur"); }
_boi_node_directories() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$_boi_cur"); }
_boi_node() {
  local _boi_cur=\${COMP_WORDS[COMP_CWORD]} prev='' noun='' verb='' command='' place=0 i word
  (( COMP_CWORD > 0 )) && prev=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  for (( i = 1; i < COMP_CWORD; i++ )); do
    word=\${COMP_WORDS[i]}
    case $word in
      --) return;;
      -*) _boi_node_takes_value "$word" && (( i++ ));;
      *) if [[ -z $noun ]]; then noun=$word
         elif [[ -z $verb ]] && _boi_node_is_noun "$noun"; then verb=$word
         else (( place++ )); fi;;
    esac
  done
  if [[ -z $noun ]]; then
    [[ $_boi_cur == -* ]] && command='' || { _boi_node_words ${quoted([...words.keys()].join(' '))}; return; }
  elif _boi_node_is_noun "$noun" && [[ -z $verb && $_boi_cur != -* ]]; then
    case $noun in
${verbs.join('\n')}
    esac
    return
  fi
  command=$noun\${verb:+ $verb}
  case "$command $prev" in
${shapes.map(flagCases).join('')}  esac
  if [[ $_boi_cur == -* ]]; then
    case $command in
${shapes.map((s) => `      ${quoted(s.name)}) _boi_node_words ${quoted(s.flags.map((f) => `--${f.name}`).join(' '))};;\n`).join('')}    esac
    return
  fi
  case "$command $place" in
${shapes.map(argumentCases).join('')}  esac
}
_boi_node_is_noun() { case $1 in ${nouns.map(([noun]) => noun).join('|')}) return 0;; esac; return 1; }
_boi_node_takes_value() { case $1 in ${valueFlags(shapes).join('|')}) return 0;; esac; return 1; }
complete -F _boi_node boi-node
`;
}

function flagCases(shape: CommandShape): string {
  return shape.flags
    .filter((flag) => flag.kind !== 'switch')
    .map((flag) => {
      const patterns = [`--${flag.name}`, ...(flag.short === undefined ? [] : [`-${flag.short}`])];
      const pattern = patterns.map((p) => quoted(`${shape.name} ${p}`)).join('|');
      return `    ${pattern}) ${offer(flag) || ':'}; return;;\n`;
    })
    .join('');
}

function argumentCases(shape: CommandShape): string {
  return shape.arguments
    .map((argument, i) => {
      const last = shape.repeats && i === shape.arguments.length - 1;
      const pattern = last ? `${quoted(`${shape.name} `)}*` : quoted(`${shape.name} ${i}`);
      const action = offer(argument);
      return action === '' ? '' : `    ${pattern}) ${action};;\n`;
    })
    .join('');
}

function offer({ completes, choices }: { completes?: string; choices?: readonly string[] }): string {
  if (choices !== undefined) return `_boi_node_words ${quoted(choices.join(' '))}`;
  if (completes === 'file') return '_boi_node_files';
  if (completes === 'directory') return '_boi_node_directories';
  return completes === undefined ? '' : `_boi_node_names ${completes}`;
}

function valueFlags(shapes: readonly CommandShape[]): string[] {
  const names = new Set<string>();
  for (const { flags } of shapes) {
    for (const flag of flags) {
      if (flag.kind === 'switch') continue;
      names.add(`--${flag.name}`);
      if (flag.short !== undefined) names.add(`-${flag.short}`);
    }
  }
  return [...names];
}

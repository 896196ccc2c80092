/**
 * The command blocks of a page, in order: a fenced block marked `sh` holds commands as a reader types them; a block marked
 * `text` that is the next fence after it holds what they print. A word after `sh` says why a block is not run here:
 * `covered=ci` (another part of `.ci/run` runs these very commands). Anything else that looks like commands but could not be
 * run by the test is an error, so that no block is left out by accident.
 */

export interface Step {
  /** Of the opening fence, from 1. */
  readonly line: number;
  readonly commands: string;
  /** What they print, with `…` for what differs from run to run; absent: anything but a failing command. */
  readonly expected?: string;
  readonly covered: boolean;
}

interface Block {
  readonly line: number;
  readonly words: readonly string[];
  readonly text: string;
}

/** Fences that hold something other than commands and their output. */
const OTHER = new Set(['yaml', 'toml', 'json', 'ini', 'ts', 'mermaid', '']);
const SHELL_LIKE = /^(bash|shell|console|zsh)$/;

export function stepsOf(markdown: string): Step[] {
  const steps: Step[] = [];
  let open: { step: Step; at: number } | undefined;
  for (const { line, words, text } of blocksOf(markdown)) {
    const [kind = '', ...marks] = words;
    if (SHELL_LIKE.test(kind)) throw new Error(`line ${line}: mark commands as \`sh\`, not as \`${kind}\``);
    if (kind === 'sh') {
      const unknown = marks.filter((mark) => mark !== 'covered=ci');
      if (unknown.length > 0) throw new Error(`line ${line}: \`${unknown.join(' ')}\` is no mark of a command block`);
      const step = { line, commands: text, covered: marks.includes('covered=ci') };
      open = { step, at: steps.push(step) - 1 };
    } else if (kind === 'text') {
      if (open !== undefined) steps[open.at] = { ...open.step, expected: text };
      open = undefined;
    } else if (OTHER.has(kind)) {
      open = undefined;
    } else {
      throw new Error(`line ${line}: a fence marked \`${kind}\` is not known here`);
    }
  }
  return steps;
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let current: { line: number; words: string[]; lines: string[] } | undefined;
  markdown.split('\n').forEach((text, index) => {
    const fence = /^```(.*)$/.exec(text);
    if (current !== undefined) {
      if (fence === null) current.lines.push(text);
      else {
        blocks.push({ line: current.line, words: current.words, text: current.lines.map((l) => `${l}\n`).join('') });
        current = undefined;
      }
    } else if (fence !== null) {
      current = { line: index + 1, words: (fence[1] ?? '').split(/\s+/).filter(Boolean), lines: [] };
    } else if (/^ {4}(\$ )?(boi-node|make|npm|npx|node|etcd|curl) /.test(text)) {
      throw new Error(`line ${index + 1}: indented commands are not run; fence them and mark them as \`sh\``);
    }
  });
  if (current !== undefined) throw new Error(`line ${current.line}: the fence is not closed`);
  return blocks;
}

/** How many terminal cells a text takes, and texts made safe to show. */
import { eastAsianWidth } from 'get-east-asian-width';

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it finds
const SGR = /\x1b\[[0-9;]*m/g;
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

export function displayWidth(text: string): number {
  const plain = text.replace(SGR, '');
  // Most cells are ASCII; segmenting costs a hundred times more.
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const { segment } of segmenter.segment(plain)) width += graphemeWidth(segment);
  return width;
}

function graphemeWidth(grapheme: string): number {
  if (grapheme.includes('\uFE0F') || /^\p{Emoji_Presentation}/u.test(grapheme)) return 2;
  for (const character of grapheme) {
    if (!ZERO_WIDTH.test(character)) return eastAsianWidth(character.codePointAt(0) as number);
  }
  return 0;
}

export function padTo(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + space : space + text;
}

/** At most `width` cells, the cut marked with `…`. For plain text: sequences would be cut through. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let taken = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    const cells = graphemeWidth(segment);
    if (used + cells > width - 1) break;
    taken += segment;
    used += cells;
  }
  return `${taken}…`;
}

// Built from text, since escape sequences and control characters are what they find.
const ESCAPES = new RegExp(
  String.raw`\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f]`,
  'g',
);
const COLOUR = new RegExp(String.raw`^\x1b\[[0-9;]*m$`);

/**
 * Output of a task for a terminal: colours stay, all that could move the cursor, retitle the window or answer into the
 * reader's shell goes. Tabs and line ends stay.
 */
export function forTerminal(text: string): string {
  return text.replace(ESCAPES, (found) => (COLOUR.test(found) ? found : ''));
}

/** How many terminal cells a text takes, and texts made safe to show. */
import { eastAsianWidth } from 'get-east-asian-width';

const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]$/u;
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

export function displayWidth(text: string): number {
  const plain = stripped(text);
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

const ESC = String.fromCharCode(27);
const BEL = String.fromCharCode(7);
/**
 * CSI, OSC and the other string sequences, two-character escapes; then every control character but tab and line end, and
 * what overrides the direction of text (isolates stay: names are shown in them).
 */
const ESCAPES = new RegExp(
  `${ESC}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?|[PX^_][^${ESC}]*(?:${ESC}\\\\)?|[ -/]*[0-~])|(?![\\t\\n])\\p{Cc}|[\\u202a-\\u202e]`,
  'gu',
);
const COLOURS = new RegExp(`${ESC}\\[[0-9;]*m`, 'g');
const COLOUR = new RegExp(`^${ESC}\\[[0-9;]*m$`);

/** Without colours. */
export function stripped(text: string): string {
  return text.replace(COLOURS, '');
}

/**
 * Text from elsewhere for a terminal, such as output of a task: colours stay, all that could move the cursor, retitle the window or answer into the
 * reader's shell goes. Tabs and line ends stay.
 */
export function forTerminal(text: string): string {
  return text.replace(ESCAPES, (found) => (COLOUR.test(found) ? found : ''));
}

/** As {@link forTerminal}, on one line: a cell of a table. */
export function cellText(text: string): string {
  return forTerminal(text).replace(/[\t\n]+/g, ' ');
}

/** Controls that JSON and YAML may hold as they are, and marks that change the direction of text. */
const UNSEEN = /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g;

/** Of JSON, or YAML in double quotes: the same document, with what a terminal would obey written as escapes. */
export function escapeUnseen(document: string): string {
  return document.replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

export function hasUnseen(text: string): boolean {
  return text.search(UNSEEN) >= 0;
}

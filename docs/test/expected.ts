/**
 * Compares what commands printed with what a page says: `…` stands for anything in a line, a line of `…` alone for any number
 * of lines, and blanks between words count as one, since the widths of columns depend on ids.
 */

/** What every command says of a practice cluster without identities; the pages say so once. */
const INSECURE =
  'WARN this node runs without identities (--insecure): whoever can open a connection on its host may do everything';

/** Undefined if it fits; else the first line of the page that the output does not have at its place, and both texts. */
export function misfit(expected: string, printed: string): string | undefined {
  const lines = linesOf(expected);
  const text = linesOf(printed)
    .filter((line) => line !== INSECURE)
    .map((line) => `${line}\n`)
    .join('');
  if (new RegExp(`^${lines.map(pattern).join('')}$`).test(text)) return undefined;
  const fits = (count: number) => new RegExp(`^${lines.slice(0, count).map(pattern).join('')}`).test(text);
  let good = 0;
  while (good < lines.length && fits(good + 1)) good++;
  const where =
    good === lines.length ? 'there is more output than the page shows' : `not printed, or not there: ${lines[good]}`;
  return `${where}\n--- the page\n${expected}--- printed\n${printed}`;
}

function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

function pattern(line: string): string {
  // A command that fails is never among what may be left out.
  if (line === '…') return '(?:(?!\\[exit )[^\\n]*\\n)*?';
  return `${line.split('…').map(escaped).join('[^\\n]*')}\\n`;
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Colour, only where a terminal shows it: `auto` looks at the stream, NO_COLOR, FORCE_COLOR and TERM. */
import type { Output } from '../io.ts';

export interface Paint {
  readonly coloured: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  blue(text: string): string;
  cyan(text: string): string;
  magenta(text: string): string;
}

export function colourOf(choice: string, stream: Output, env: Readonly<Record<string, string | undefined>>): boolean {
  if (choice !== 'auto') return choice === 'always';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

export function painter(coloured: boolean): Paint {
  const sgr = (code: number, end: number) => (text: string) =>
    coloured && text !== '' ? `\x1b[${code}m${text}\x1b[${end}m` : text;
  return {
    coloured,
    bold: sgr(1, 22),
    dim: sgr(2, 22),
    red: sgr(31, 39),
    green: sgr(32, 39),
    yellow: sgr(33, 39),
    blue: sgr(34, 39),
    magenta: sgr(35, 39),
    cyan: sgr(36, 39),
  };
}

/** A state in its colour: what is well green, what failed red, what waits yellow. */
export function paintState(paint: Paint, state: string): string {
  switch (state) {
    case 'succeeded':
    case 'ready':
      return paint.green(state);
    case 'failed':
    case 'timed-out':
    case 'poison':
    case 'dead':
    case 'unstable':
    case 'refused':
      return paint.red(state);
    case 'running':
    case 'active':
      return paint.cyan(state);
    case 'waiting':
    case 'cancelling':
    case 'degraded':
    case 'cooling':
    case 'draining':
    case 'cordoned':
      return paint.yellow(state);
    default:
      return state;
  }
}

/** Errors for people, on standard error, and their exit codes. The one place where an error leaves the command. */
import { BoiError, ERROR_CODES, type ErrorCode, type Issue } from '@boi/core/errors';
import { isId, mintedAt } from '@boi/core/ids';
import { escapeName } from '@boi/core/names';
import type { Io } from './io.ts';
import { colourOf, painter } from './output/paint.ts';
import { relative } from './output/time.ts';
import { forTerminal } from './output/width.ts';

/** Ctrl-C ended the wait, not the work: 128 + SIGINT, as shells have it. */
export const EXIT_DETACHED = 130;

/** What of a `BoiError` counts; those of the daemon's packages are of another copy of the class. */
interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly issues: readonly Issue[];
  readonly details: Readonly<Record<string, unknown>>;
}

export function asFailure(error: unknown): Failure | undefined {
  if (error instanceof BoiError) return error;
  const e = error as Partial<Failure> & { name?: string };
  if (typeof e === 'object' && e?.name === 'BoiError' && Object.hasOwn(ERROR_CODES, e.code ?? '')) {
    return { code: e.code as ErrorCode, message: e.message ?? '', issues: e.issues ?? [], details: e.details ?? {} };
  }
  return undefined;
}

/** Writes the error and answers the exit code. */
export function reportFailure(error: unknown, io: Io): number {
  const paint = painter(colourOf('auto', io.stderr, io.env));
  const failure = asFailure(error);
  if (failure === undefined) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    io.stderr.write(`${paint.red('boi-node: a bug:')} ${forTerminal(stack)}\n`);
    return 1;
  }
  for (const issue of failure.issues) {
    const line = issueLine(issue);
    // Most messages have their issues in them.
    if (!failure.message.includes(line)) io.stderr.write(`${forTerminal(line)}\n`);
  }
  io.stderr.write(`${paint.red('boi-node:')} ${forTerminal(failure.message)}\n`);
  for (const line of hints(failure, io.now())) io.stderr.write(`  ${line}\n`);
  return ERROR_CODES[failure.code].exit;
}

/** `line:column: message` where a file is meant, else the message after the field it concerns. */
function issueLine(issue: Issue): string {
  if (issue.line !== undefined) return `${issue.line}:${issue.column ?? 1}: ${issue.message}`;
  return issue.path.startsWith('/') && !issue.message.includes(':')
    ? `${issue.path.slice(1)}: ${issue.message}`
    : issue.message;
}

function hints(failure: Failure, now: number): string[] {
  const { candidates, requestId } = failure.details;
  const lines: string[] = [];
  if (Array.isArray(candidates)) {
    for (const candidate of candidates.slice(0, 20)) lines.push(escapeName(candidateText(candidate, now)));
    // Whoever runs a file again and again knows the specs of its name by their age and state alone.
    if (candidates.some((candidate) => isId(candidate, 'spec')))
      lines.push('`boi-node spec list --name NAME` shows them with their states, newest first');
  }
  if (failure.code === 'unreachable') lines.push('is a node running there? see `boi-node doctor`');
  if (failure.code === 'unauthenticated' && !failure.message.includes('user reissue'))
    lines.push('an admin makes you a new credential: `boi-node user reissue`; take it with `boi-node context add`');
  if (failure.code === 'internal' && typeof requestId === 'string')
    lines.push(`request ${requestId}; the daemon's log says more`);
  return lines;
}

function candidateText(candidate: unknown, now: number): string {
  if (isId(candidate)) return `${candidate}, made ${relative(mintedAt(candidate), now)}`;
  if (typeof candidate === 'string') return candidate;
  const { id, name } = candidate as { id?: unknown; name?: unknown };
  return name === undefined ? String(id) : `${String(name)} (${String(id)})`;
}

/**
 * One command of a task: spawned as leader of its own session, without standard input, its two output pipes pumped into
 * the log. Finished only when nothing of its process tree lives any more.
 *
 * A process outside the tree can still hold the pipes open (a descendant that scrubbed its environment and left every
 * session). It is not waited for: after a quiet second the pipes are closed on this side, with a line in the log.
 */
import type { Readable } from 'node:stream';
import { type Clock, type Command, sleep } from '@boi/core';
import { processStartTicks } from '@boi/system';
import type { TreeRoot } from '../processes/process-scan.ts';
import type { User } from '../spawn/node-spawn.ts';
import { spawnProgram } from '../spawn/spawn.ts';
import type { Exit, Spawned } from '../spawn/spawned.ts';
import { enteringItself } from './task-user.ts';

const HELD_OPEN_MS = 1_000;

export interface CommandRequest {
  readonly command: Command;
  readonly cwd: string;
  /** `cwd` is entered by the user itself. */
  readonly foreign?: boolean;
  readonly env: Readonly<Record<string, string>>;
  /** Run as this user, in no group but its own. */
  readonly user?: User;
  readonly task: string;
  readonly fence: string;
  readonly clock: Clock;
  /** Synchronously after the spawn: signals can be sent from here on. */
  readonly onStart: (root: TreeRoot) => void;
  /** The pipe is paused until the promise resolves. */
  readonly onOutput: (stream: 'stdout' | 'stderr', bytes: Buffer) => Promise<void> | undefined;
  /** The main process has exited: resolves when the rest of the tree is gone too. */
  readonly settle: () => Promise<void>;
}

export type CommandResult = (Exit & { readonly heldOpen: boolean }) | { readonly startError: string };

export async function runCommand(request: CommandRequest): Promise<CommandResult> {
  const asked = typeof request.command === 'string' ? ['/bin/sh', '-c', request.command] : request.command;
  const { env } = request;
  const { argv, cwd } =
    request.foreign === true ? enteringItself(request.cwd, asked) : { argv: asked, cwd: request.cwd };
  const [program = '', ...args] = argv;
  let child: Spawned;
  try {
    child = await spawnProgram({ program, args, cwd, env }, request.user);
  } catch (error) {
    return { startError: startMessage(program, cwd, error as NodeJS.ErrnoException) };
  }
  const { pid, stdout, stderr, exited } = child;
  request.onStart({ pid, startTicks: processStartTicks(pid) ?? 0, task: request.task, fence: request.fence });
  let heardMs = request.clock.mono();
  const heard = () => {
    heardMs = request.clock.mono();
  };
  const closed = Promise.all([pump(stdout, 'stdout', request, heard), pump(stderr, 'stderr', request, heard)]);
  const exit = await exited;
  await request.settle();
  const heldOpen = await closeHeldOpen(closed, [stdout, stderr], request.clock, () => heardMs);
  return { ...exit, heldOpen };
}

async function pump(
  stream: Readable,
  kind: 'stdout' | 'stderr',
  request: CommandRequest,
  heard: () => void,
): Promise<void> {
  stream.on('data', (bytes: Buffer) => {
    heard();
    const wait = request.onOutput(kind, bytes);
    if (wait === undefined) return;
    stream.pause();
    void wait.then(() => {
      heard();
      stream.resume();
    });
  });
  await new Promise<void>((resolve) => {
    stream.once('close', resolve);
    stream.once('error', () => stream.destroy());
  });
}

/** True: somebody outside the tree still held a pipe open, and it was closed from this side. */
async function closeHeldOpen(
  closed: Promise<unknown>,
  streams: readonly Readable[],
  clock: Clock,
  heardMs: () => number,
): Promise<boolean> {
  if (streams.every((stream) => stream.closed)) return false;
  const done = closed.then(() => 'closed' as const);
  for (;;) {
    const cut = new AbortController();
    const pause = sleep(clock, HELD_OPEN_MS, cut.signal).catch(() => undefined);
    const first = await Promise.race([done, pause]);
    cut.abort();
    if (first === 'closed') return false;
    // What the disk makes wait is not quiet: the pipe is paused then, and read to its end later.
    if (streams.some((s) => s.isPaused()) || clock.mono() - heardMs() < HELD_OPEN_MS / 2) continue;
    for (const stream of streams) stream.destroy();
    await closed;
    return true;
  }
}

function startMessage(program: string, cwd: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOENT':
      return `cannot start \`${program}\`: no such program on this node's PATH, or ${cwd} is gone`;
    case 'EACCES':
      return `cannot start \`${program}\`: it is not executable for the daemon's user`;
    case 'E2BIG':
      return `cannot start \`${program}\`: arguments and environment together are too long for this host`;
    default:
      return `cannot start \`${program}\`: ${error.message}`;
  }
}

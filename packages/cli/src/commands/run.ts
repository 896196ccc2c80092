/** `run`: one command as a spec of one task; its streams, and its exit code as this command's own. */
import { constants } from 'node:os';
import { basename } from 'node:path';
import type { TaskView } from '@boi/core';
import { formatDuration } from '@boi/core/duration';
import { BoiError } from '@boi/core/errors';
import type { Args } from '../args.ts';
import { asFailure, EXIT_DETACHED } from '../fail.ts';
import { FROM_THE_FIRST } from '../follow/tail.ts';
import { type WaitingReasons, waitingReasons } from '../follow/waiting.ts';
import { write } from '../io.ts';
import type { Session } from '../session.ts';
import { randomKey } from './spec-dispatch.ts';

/** As timeout(1) has it. */
const EXIT_TIMED_OUT = 124;
const REF = 'run';

export async function runCommand(session: Session, args: Args): Promise<number> {
  const body = { source: JSON.stringify(specOf(args)), format: 'json' as const, idempotencyKey: randomKey() };
  let spec: string | undefined;
  let waiting: WaitingReasons | undefined;
  let interrupts = 0;
  const stop = new AbortController();
  const cancelOnce = (id: string) => {
    session.note(`cancelling ${id}; Ctrl-C again to detach`);
    cancel(session, id).catch((error: unknown) => session.note(`the cancel failed: ${(error as Error).message}`));
  };
  const release = session.io.onInterrupt(() => {
    interrupts++;
    if (interrupts > 1) stop.abort();
    else if (spec !== undefined) cancelOnce(spec);
    // What may have been dispatched can only be cancelled by its id.
    else session.note('cancelling as soon as the cluster answers; Ctrl-C again to leave');
  });
  try {
    const params = { prj: session.project };
    const answer = await session.client.call('spec.dispatch', { params, body, signal: stop.signal });
    session.useProject(answer.project.id);
    spec = answer.id;
    if (interrupts > 0) cancelOnce(spec);
    const task = `${spec}/${REF}`;
    waiting = waitingReasons(session, spec, (line) => session.note(line), stop.signal);
    await stream(session, task, stop.signal, waiting);
    const ended = await untilEnded(session, spec, task, stop.signal);
    return interrupts > 0 ? EXIT_DETACHED : exitCodeOf(session, ended);
  } catch (error) {
    if (!stop.signal.aborted) throw asFlags(error);
    session.note(
      spec === undefined
        ? `left before the cluster answered: the command may run there; see \`boi-node spec list\``
        : `detached; the cancel of ${spec} goes on`,
    );
    return EXIT_DETACHED;
  } finally {
    waiting?.stop();
    release();
  }
}

function specOf(args: Args): object {
  const [program] = args.rest;
  if (program === undefined)
    throw new BoiError('bad-request', 'say what to run after `--`, for instance `boi-node run -- uname -a`');
  const timeoutMs = args.number('timeout');
  const retries = args.number('retries');
  const workdir = args.text('workdir');
  return {
    name: args.text('name') ?? basename(program),
    tasks: [
      {
        ref: REF,
        run: [...args.rest],
        requires: args.pairs('requires'),
        env: args.pairs('env'),
        ...(timeoutMs === undefined ? {} : { timeout: formatDuration(timeoutMs) }),
        ...(retries === undefined ? {} : { retries }),
        ...(workdir === undefined ? {} : { workdir }),
      },
    ],
  };
}

/** What is wrong with the spec that was made of the flags, in terms of the flags. */
function asFlags(error: unknown): unknown {
  const failure = asFailure(error);
  if (failure?.code !== 'invalid-spec') return error;
  const lines = failure.issues.map(({ path, message }) => `${flagOf(path)} ${message}`);
  return new BoiError('bad-request', lines.join('; '), { cause: error });
}

function flagOf(path: string): string {
  const [field, key] = path
    .replace(/^\/tasks\/0\//, '')
    .replace(/^\//, '')
    .split('/');
  if (field === 'run') return 'the command';
  return key === undefined ? `--${field}:` : `--${field} ${key}:`;
}

async function cancel(session: Session, spec: string): Promise<void> {
  await session.client.call('spec.cancel', { params: { prj: session.project, spc: spec }, body: {} });
}

async function stream(session: Session, task: string, signal: AbortSignal, waiting: WaitingReasons): Promise<void> {
  const { stdout, stderr } = session.io;
  try {
    for await (const item of session.readLog(task, { query: FROM_THE_FIRST, signal })) {
      waiting.heard();
      if (item.type === 'data') await write(item.stream === 'stdout' ? stdout : stderr, item.bytes);
      else if (item.type === 'gap') session.note(`-- ${item.to - item.offset} bytes are gone`);
      else if (item.type === 'note') session.note(`-- ${item.text}`);
      else if (item.type === 'link' && item.state === 'lost')
        session.note(`-- connection lost (${item.text}); trying again`);
    }
  } catch (error) {
    // It never ran, or its output went with its node; the result still tells how it ended.
    if (asFailure(error)?.code !== 'log-unavailable') throw error;
    session.note(`-- ${(error as Error).message}`);
  }
}

async function untilEnded(session: Session, spec: string, task: string, signal: AbortSignal): Promise<TaskView> {
  for await (const event of session.followSpec(spec, { tasks: false, signal })) if (event.type === 'end') break;
  return session.client.call('task.show', { params: { prj: session.project, tsk: task }, signal });
}

function exitCodeOf(session: Session, task: TaskView): number {
  if (task.state === 'succeeded') return 0;
  if (task.state === 'timed-out') {
    session.note(`${task.id} timed out`);
    return EXIT_TIMED_OUT;
  }
  if (task.reason === 'exit-code' && task.exitCode !== undefined && task.exitCode !== 0) return task.exitCode;
  const message = task.message === undefined ? '' : `: ${task.message}`;
  session.note(`${task.id} ${task.state}${task.reason === undefined ? '' : ` (${task.reason})`}${message}`);
  const signal = task.signal === undefined ? undefined : constants.signals[task.signal as NodeJS.Signals];
  return task.reason === 'signal' && signal !== undefined ? 128 + signal : 1;
}

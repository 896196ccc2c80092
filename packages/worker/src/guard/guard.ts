/**
 * The daemon's side of the guard process: starts it, tells it of trees and deadlines, starts it again when it dies, with
 * all that still runs. Short tasks come and go between two tellings and never reach it; should the daemon be killed just
 * then, the guard finds them by their markers. Exclusive tasks are told of at once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Clock, Timer } from '@boi/core';
import type { Logger } from '@boi/system';
import { type TreeRoot, treeKey } from '../processes/process-scan.ts';
import { type GuardMessage, momentIn } from './guard-protocol.ts';

const TELL_EVERY_MS = 50;
const RESTART_MS = 1_000;
/** The guard holds a map of trees; V8 would otherwise let garbage pile up. */
const HEAP_MB = 16;

export interface GuardOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Directory in which `BOI_OUTPUT` of every task lies. */
  readonly workDir: string;
  /** Where the claims are kept whose tasks a pool runs: those it leaves alone. */
  readonly keptDir: string;
  /** The guard's program. Default: beside this module when built, else in this package's `dist`. */
  readonly program?: string;
}

/** Deadlines on `clock.mono()`, as `TaskRunner.setDeadline` gets them. */
export interface SessionDeadline {
  readonly termAtMs: number;
  readonly killAtMs: number;
}

export class Guard {
  readonly #options: GuardOptions;
  readonly #trees = new Map<string, { root: TreeRoot; exclusive: boolean; told: boolean }>();
  #outbox: GuardMessage[] = [];
  #deadline: SessionDeadline | undefined;
  #child: ChildProcess | undefined;
  #telling: Timer | undefined;
  #restarting: Timer | undefined;
  #stopped = true;

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Of the guard process, while there is one. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#spawn();
  }

  /** Tasks must have ended before; the guard leaves without killing. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#telling?.cancel();
    this.#restarting?.cancel();
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.stdin?.end(`${JSON.stringify({ type: 'quit' } satisfies GuardMessage)}\n`);
    await exited;
  }

  started(root: TreeRoot, exclusive: boolean): void {
    this.#trees.set(treeKey(root.task, root.fence), { root, exclusive, told: false });
    if (exclusive) this.#tell();
    else this.#telling ??= this.#options.clock.timer(TELL_EVERY_MS, () => this.#tell());
  }

  ended(root: TreeRoot): void {
    const key = treeKey(root.task, root.fence);
    const tree = this.#trees.get(key);
    this.#trees.delete(key);
    if (tree?.told !== true) return;
    this.#outbox.push({ type: 'ended', root });
    this.#telling ??= this.#options.clock.timer(TELL_EVERY_MS, () => this.#tell());
  }

  setDeadline(deadline: SessionDeadline | undefined): void {
    // A lost session has no new deadline: the last one stands and must be kept.
    if (deadline === undefined) return;
    this.#deadline = deadline;
    this.#tell();
  }

  #tell(): void {
    this.#telling?.cancel();
    this.#telling = undefined;
    const stdin = this.#child?.stdin;
    if (stdin === undefined || stdin === null) return;
    const messages = this.#outbox;
    this.#outbox = [];
    for (const tree of this.#trees.values()) {
      if (tree.told) continue;
      tree.told = true;
      messages.push({ type: 'started', root: tree.root, exclusive: tree.exclusive });
    }
    if (this.#deadline !== undefined) messages.push(this.#deadlineMessage(this.#deadline));
    if (messages.length > 0) stdin.write(`${messages.map((m) => JSON.stringify(m)).join('\n')}\n`);
  }

  #deadlineMessage(deadline: SessionDeadline): GuardMessage {
    const nowMs = this.#options.clock.mono();
    const term = momentIn(deadline.termAtMs - nowMs);
    return { type: 'deadline', deadline: { term, kill: momentIn(deadline.killAtMs - nowMs) } };
  }

  #spawn(): void {
    const { logger, workDir, keptDir, clock } = this.#options;
    const program = this.#options.program ?? guardProgram();
    const child = spawn(process.execPath, [`--max-old-space-size=${HEAP_MB}`, program, workDir, keptDir], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
      env: {},
    });
    this.#child = child;
    child.stdin?.on('error', () => undefined);
    const onGone = (why: string) => {
      if (this.#child !== child || this.#stopped) return;
      this.#child = undefined;
      logger.error({ why }, 'the guard process died; starting another');
      for (const tree of this.#trees.values()) tree.told = false;
      this.#restarting = clock.timer(RESTART_MS, () => this.#spawn());
    };
    child.once('error', (error) => onGone(error.message));
    child.once('exit', (code, signal) => onGone(`exit ${code ?? signal}`));
    this.#tell();
  }
}

/** Run from sources (tests of other packages), the built guard of this package is used: Node runs no TypeScript. */
function guardProgram(): string {
  const built = import.meta.url.endsWith('.js');
  return fileURLToPath(new URL(built ? './guard-main.js' : '../../dist/guard/guard-main.js', import.meta.url));
}

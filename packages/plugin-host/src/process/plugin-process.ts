/**
 * One process of a plugin, from its start until its whole group is gone. It leads a process group of its own, so that what it
 * starts goes with it; it has few of the daemon's variables; its standard input is a pipe that ends with the daemon.
 *
 * Standard output: BOI_READY first, as the protocol says; anything else before it is a failure. Afterwards both outputs are
 * read to their ends and go, line by line, into the log, so a talkative plugin never blocks on a full pipe.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { type Clock, sleep } from '@boi/core';
import type { PluginConfig } from '../config.ts';
import { PluginError } from '../errors.ts';
import { lineSplitter } from './lines.ts';
import { limitLines } from './log-limit.ts';

export interface PluginExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a plugin wrote, for the daemon's log. */
export type OnPluginLine = (stream: 'stdout' | 'stderr', text: string) => void;

/** All of the daemon's environment that a plugin sees: nothing that tells of the store or of secrets. */
const INHERITED = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'];
/** How often a group that was told to end is looked at. */
const GROUP_POLL_MS = 20;
/** After KILL only the kernel's own work is left; longer means a zombie that nobody reaps. */
const KILLED_GROUP_WAIT_MS = 2_000;

/** The system's own words name the program also where it is the directory that is not there. */
function whyNot({ command, workdir }: PluginConfig, error: NodeJS.ErrnoException): string {
  if (workdir !== undefined && statSync(workdir, { throwIfNoEntry: false })?.isDirectory() !== true)
    return `${workdir}, where it is to run, is no directory`;
  if (error.code !== 'ENOENT') return error.message;
  if (!command.includes('/')) return `there is no ${command} in PATH`;
  return existsSync(command) ? `what the first line of ${command} names is not there` : `there is no ${command}`;
}

export class PluginProcess {
  readonly pid: number;
  /** Resolves at BOI_READY, rejects with a {@link PluginError} if something else comes, or the end. */
  readonly ready: Promise<void>;
  /** Resolves when the leader has ended and its outputs are read. Never rejects. */
  readonly exited: Promise<PluginExit>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #clock: Clock;

  private constructor(
    config: PluginConfig,
    child: ChildProcessByStdio<Writable, Readable, Readable>,
    clock: Clock,
    onLine: OnPluginLine,
  ) {
    this.pid = child.pid as number;
    this.#child = child;
    this.#clock = clock;
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        // Descendants may hold the pipes open: what was written up to now is enough.
        const outputsRead = new Promise<void>((done) => child.once('close', () => done()));
        void Promise.race([outputsRead, sleep(clock, 100)]).then(() => resolve({ code, signal }));
      });
    });
    this.ready = this.#untilReady(config, onLine);
    this.ready.catch(() => undefined);
    const toLog = limitLines(clock, (text) => onLine('stderr', text));
    const errors = lineSplitter((line) => toLog(line));
    child.stderr.on('data', errors.write).on('end', errors.end);
    child.stdin.on('error', () => undefined);
  }

  /** Starts the program. Rejects with `cannot-start` if there is none. */
  static async launch(
    config: PluginConfig,
    socket: string,
    clock: Clock,
    onLine: OnPluginLine,
  ): Promise<PluginProcess> {
    const inherited = INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
    const child = spawn(config.command, [...(config.args ?? [])], {
      cwd: config.workdir,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...(Object.fromEntries(inherited) as Record<string, string>),
        ...config.env,
        BOI_PLUGIN_SOCKET: socket,
        BOI_PLUGIN_ID: config.name,
      },
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error) =>
        reject(new PluginError(config.name, 'cannot-start', whyNot(config, error), error)),
      );
    });
    return new PluginProcess(config, child, clock, onLine);
  }

  /** TERM to the group, the grace, KILL; resolves when nothing of the group is left. */
  async stop(graceMs: number): Promise<void> {
    this.#child.stdin.end();
    if (!this.#signal('SIGTERM')) return this.#reaped();
    if (!(await this.#groupGone(graceMs))) {
      this.#signal('SIGKILL');
      await this.#groupGone(KILLED_GROUP_WAIT_MS);
    }
    await this.#reaped();
  }

  /** KILL to whatever is left of the group. */
  kill(): Promise<void> {
    return this.stop(0);
  }

  async #reaped(): Promise<void> {
    await this.exited;
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
  }

  /** False if the group has no process any more. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw error;
    }
  }

  async #groupGone(withinMs: number): Promise<boolean> {
    const deadline = this.#clock.mono() + withinMs;
    while (this.#signal(0)) {
      if (this.#clock.mono() >= deadline) return false;
      await sleep(this.#clock, Math.min(GROUP_POLL_MS, Math.max(1, withinMs)));
    }
    return true;
  }

  #untilReady(config: PluginConfig, onLine: OnPluginLine): Promise<void> {
    return new Promise((resolve, reject) => {
      let isReady = false;
      const toLog = limitLines(this.#clock, (text) => onLine('stdout', text));
      const lines = lineSplitter((line, cut) => {
        if (isReady) toLog(line);
        else if (line === 'BOI_READY' && !cut) {
          isReady = true;
          resolve();
        } else reject(new PluginError(config.name, 'garbage', JSON.stringify(line.slice(0, 200))));
      });
      this.#child.stdout.on('data', lines.write).on('end', lines.end);
      void this.exited.then(({ code, signal }) =>
        reject(new PluginError(config.name, 'crashed', `${signal ?? `exit code ${code}`} before it was ready`)),
      );
    });
  }
}

/**
 * One `boi-node join` as a process of its own, with a data directory that outlives it and the label `at` with its name, so
 * that a task can require it. Ready when /readyz answers 200.
 * Signals go to its own pid; its guard and its tasks are its own business, and `stop` waits until they are gone.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { COMMAND } from './build.ts';
import { peakResidentBytes, residentBytes, taskProcesses } from './processes.ts';
import { until } from './until.ts';

export interface NodeOptions {
  readonly name: string;
  readonly dataDir: string;
  readonly etcd: string;
  /** The same in all its lives, so that contexts go on to be right. */
  readonly port: number;
  readonly slots: number;
  /** Further settings of `join`, or other values. */
  readonly settings: Readonly<Record<string, string>>;
  /** What the host's login would give it, besides PATH and HOME. */
  readonly env: Readonly<Record<string, string>>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** The shortest the settings allow. */
export const SESSION_TTL_MS = 3_000;

/** A machine on which everything else runs as well takes its time to load a daemon. */
const START_WITHIN_MS = 90_000;

/** The drain given below, and the ten seconds after it that a daemon takes at most. */
const STOP_WITHIN_MS = 15_000;

export class NodeProcess {
  readonly name: string;
  /** What it logged in all its lives, JSON lines parsed. */
  readonly log: LogLine[] = [];
  readonly #options: NodeOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }> | undefined;
  #id: string | undefined;

  constructor(options: NodeOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get id(): string {
    if (this.#id === undefined) throw new Error(`${this.name} was never ready`);
    return this.#id;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#options.port}`;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get residentBytes(): number {
    return residentBytes(this.pid);
  }

  get peakResidentBytes(): number {
    return peakResidentBytes(this.pid);
  }

  /** Starts it and waits until it is a member. */
  async start(): Promise<void> {
    const from = this.log.length;
    this.launch();
    const ready = await until(
      `${this.name} is ready`,
      () => {
        if (!this.alive) throw new Error(`${this.name} ended before it was ready:\n${this.lastLog()}`);
        return this.log.slice(from).find(({ msg }) => msg === 'ready');
      },
      START_WITHIN_MS,
    );
    this.#id = String(ready.node);
    await this.ready();
  }

  /** Starts it without waiting. */
  launch(): void {
    const { name, dataDir, etcd, port, slots, settings, env } = this.#options;
    const flags = {
      name,
      etcd,
      'data-dir': dataDir,
      slots: String(slots),
      listen: `127.0.0.1:${port}`,
      label: `at=${name}`,
      'session-ttl': `${SESSION_TTL_MS}ms`,
      'shutdown-drain': '1s',
      ...settings,
    };
    const words = Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value]);
    const { PATH, HOME, TMPDIR } = process.env;
    const child = spawn(process.execPath, [COMMAND, 'join', '--insecure', ...words], {
      env: { PATH, HOME, TMPDIR, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    // A test run that is given up leaves no daemon behind.
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    child.once('exit', () => process.off('exit', killWithUs));
    this.#exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    createInterface({ input: child.stderr as NonNullable<typeof child.stderr> }).on('line', (line) => {
      this.log.push(line.startsWith('{') ? (JSON.parse(line) as LogLine) : { level: 'text', msg: line });
    });
  }

  /** /readyz answers 200. */
  async ready(withinMs = START_WITHIN_MS): Promise<void> {
    await until(
      `/readyz of ${this.name}`,
      () =>
        fetch(`${this.url}/readyz`).then(
          (answer) => answer.ok,
          () => false,
        ),
      withinMs,
    );
  }

  /** Of a metric the sum over its series, or over those with that label. Throws when there is no such metric. */
  async metric(name: string, label = ''): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    if (!text.includes(`# TYPE ${name} `)) throw new Error(`${this.name} has no metric ${name}`);
    return text
      .split('\n')
      .filter((line) => line.startsWith(name) && /^[ {]/.test(line.slice(name.length)) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** SIGSTOP: it holds its connections and does nothing. */
  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  async kill(): Promise<void> {
    if (!this.alive) return;
    this.signal('SIGKILL');
    await this.#exited;
  }

  exited(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return this.#exited ?? Promise.reject(new Error(`${this.name} was never started`));
  }

  /** TERM, and its end awaited; KILL if it does not come. Nothing that ran under it may be left. */
  async stop(): Promise<void> {
    if (this.alive) {
      this.signal('SIGCONT');
      this.signal('SIGTERM');
      await until(`${this.name} stops`, () => !this.alive, STOP_WITHIN_MS).catch(async (error: Error) => {
        await this.kill();
        throw new Error(`${error.message}\n${this.lastLog()}`);
      });
    }
    await this.gone();
  }

  /** No process of a task of this node is left. */
  async gone(withinMs = 10_000): Promise<void> {
    if (this.#id === undefined) return;
    const { id } = this;
    await until(
      `every process of ${this.name} is gone`,
      () => taskProcesses({ node: id }).length === 0,
      withinMs,
    ).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(taskProcesses({ node: id }))}`);
    });
  }

  lastLog(lines = 30): string {
    return this.log
      .slice(-lines)
      .map((line) => JSON.stringify(line))
      .join('\n');
  }
}

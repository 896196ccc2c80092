/**
 * Keeps one plugin running, and says at any moment how it is.
 *
 * | state | entered by | left by |
 * |---|---|---|
 * | `stopped` | the beginning; `stop` | `start` |
 * | `starting` | `start`, `restart`, the end of a wait | ready, or a failure |
 * | `ready` | BOI_READY, socket served, handshake answered | the process ends, three health checks missed, `stop` |
 * | `waiting` | a crash or failed start with restarts left | the end of the wait |
 * | `unstable` | one crash more than the window allows, in this life of the daemon or an earlier one | `restart` only |
 * | `refused` | a handshake of another kind or major version: starting it again cannot help | `restart` only |
 *
 * Invariants: at most one process group of the plugin lives at a time; a group is gone, not just told to go, before the next
 * is started and before `stop` resolves; every failure is a {@link PluginError} in the status; nothing here waits without
 * a limit. Called by the daemon, one for each configured plugin; `channel` is what the typed clients call through.
 */
import { sleep } from '@boi/core';
import { CONTRACT_MINORS } from '@boi/proto';
import { PluginChannel } from '../channel.ts';
import {
  checkPluginConfig,
  type HostDeps,
  type PluginConfig,
  READY_TIMEOUT_MS,
  SUPERVISION_TIMES,
  type SupervisionTimes,
} from '../config.ts';
import { PluginError } from '../errors.ts';
import { type PluginExit, PluginProcess } from '../process/plugin-process.ts';
import { freeSocketPath, prepareSocketDir } from '../process/socket-dir.ts';
import { CrashLedger, type CrashLog } from './crash-log.ts';
import { type PluginIntroduction, shakeHands } from './handshake.ts';

export type PluginState = 'stopped' | 'starting' | 'ready' | 'waiting' | 'unstable' | 'refused';

export interface PluginStatus {
  readonly plugin: string;
  readonly kind: PluginConfig['kind'];
  readonly state: PluginState;
  /** Wall clock, milliseconds since the epoch. */
  readonly since: number;
  /** Crashes within the window. */
  readonly crashes: number;
  readonly pid?: number;
  readonly introduction?: PluginIntroduction;
  /** Why it is not ready. */
  readonly error?: PluginError;
}

/** Told of what happens; none of it may throw. */
export interface PluginObserver {
  /** Each change of state, at once. The node's health is degraded while a plugin is in any state but ready or stopped. */
  status(status: PluginStatus): void;
  /** A line that the plugin wrote. */
  line(plugin: string, stream: 'stdout' | 'stderr', text: string): void;
  /** For the events `plugin.crashed` and `plugin.unstable`. */
  crashed(plugin: string, crashes: number, unstable: boolean, exitCode: number | undefined): void;
  /** What an operator should see in the log but stops nothing. */
  problem(plugin: string, message: string, error?: unknown): void;
}

export interface SupervisorDeps extends HostDeps {
  /** Where the sockets are; made with mode 0700. */
  readonly runtimeDir: string;
  readonly crashLog: CrashLog;
  readonly observer: PluginObserver;
  readonly times?: Partial<SupervisionTimes>;
}

/** Between the break of its connection and the end of a process that is ending. */
const EXIT_AFTER_BREAK_MS = 300;

interface Life {
  readonly process: PluginProcess;
  readonly channel: PluginChannel;
  readonly introduction: PluginIntroduction;
}

export class PluginSupervisor {
  readonly config: PluginConfig;
  readonly #deps: SupervisorDeps;
  readonly #times: SupervisionTimes;
  readonly #ledger: CrashLedger;
  #status: PluginStatus;
  #life: Life | undefined;
  #introduced: PluginIntroduction | undefined;
  /** The later minor version that the log was told of. */
  #toldMinor: number | undefined;
  #loop: Promise<void> | undefined;
  #stopping = new AbortController();
  /** Of an operator; one at a time. */
  #restarting: Promise<void> | undefined;
  /** Told to stop since it was started last. */
  #told = false;
  readonly #watchers = new Set<() => void>();

  constructor(config: PluginConfig, deps: SupervisorDeps) {
    checkPluginConfig(config);
    this.config = config;
    this.#deps = deps;
    this.#times = { ...SUPERVISION_TIMES, ...deps.times };
    const rules = { windowMs: this.#times.crashWindowMs, restartsMax: this.#times.restartsMax };
    this.#ledger = new CrashLedger(config.name, deps.crashLog, rules, deps.random, (error) =>
      deps.observer.problem(config.name, 'its crashes are counted in memory only', error),
    );
    this.#status = { plugin: config.name, kind: config.kind, state: 'stopped', since: deps.clock.now(), crashes: 0 };
  }

  get status(): PluginStatus {
    return this.#status;
  }

  /** What it said in its last handshake, also while it does not run. */
  get introduced(): PluginIntroduction | undefined {
    return this.#introduced;
  }

  /** Begins; does not wait until the plugin is ready. A second call does nothing. */
  async start(): Promise<void> {
    this.#told = false;
    await this.#begin();
  }

  async #begin(): Promise<void> {
    if (this.#loop !== undefined) return;
    this.#stopping = new AbortController();
    const prepared = prepareSocketDir(this.#deps.runtimeDir);
    // At once, so that a `stop` that comes meanwhile finds what it must wait for.
    this.#loop = prepared.then(
      () => this.#run(),
      () => undefined,
    );
    try {
      await prepared;
    } catch (error) {
      this.#loop = undefined;
      throw error;
    }
  }

  /** TERM, grace, KILL; resolves when the whole process group is gone. */
  async stop(): Promise<void> {
    this.#told = true;
    await this.#halt();
    await this.#restarting;
  }

  async #halt(): Promise<void> {
    this.#stopping.abort(new PluginError(this.config.name, 'unavailable', 'it is being stopped'));
    await this.#loop;
    this.#loop = undefined;
    if (this.#status.state !== 'stopped') this.#become('stopped', this.#status.crashes);
  }

  /** An operator's restart: forgets the crashes, also of an unstable plugin, and starts it anew; two at once are one. */
  restart(): Promise<void> {
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  async #restart(): Promise<void> {
    await this.#halt();
    await this.#ledger.clear();
    // The daemon may have begun to stop meanwhile.
    if (!this.#told) await this.#begin();
  }

  /** What the typed clients call through; throws `unavailable`, `unstable` or `wrong-contract` while the plugin is not ready. */
  channel(): PluginChannel {
    if (this.#life !== undefined && this.#status.state === 'ready') return this.#life.channel;
    throw this.#notReady();
  }

  /** Resolves at the next moment the plugin is ready; rejects when it cannot become so by itself, or with the signal's reason. */
  async untilReady(signal?: AbortSignal): Promise<PluginChannel> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.#life !== undefined && this.#status.state === 'ready') return this.#life.channel;
      if (['stopped', 'unstable', 'refused'].includes(this.#status.state) && !this.#isBeginning())
        throw this.#notReady();
      await this.changed(signal);
    }
  }

  /** Resolves at the next change of state. */
  changed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#watchers.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#watchers.add(done);
      signal?.addEventListener('abort', done, { once: true });
      if (signal?.aborted) done();
    });
  }

  #isBeginning(): boolean {
    return this.#loop !== undefined && this.#status.state === 'stopped';
  }

  #notReady(): PluginError {
    const { state, error } = this.#status;
    if (state === 'refused' && error !== undefined) return error;
    const reason = state === 'unstable' ? 'unstable' : 'unavailable';
    return new PluginError(this.config.name, reason, error === undefined ? `it is ${state}` : error.message, error);
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps;
    const known = await this.#ledger.load(clock.now());
    let crashes = known.crashes.length;
    if (known.unstable) return this.#rest(crashes, new PluginError(this.config.name, 'unstable'));
    while (!this.#stopping.signal.aborted) {
      const { error, exit } = await this.#liveOnce(crashes);
      if (this.#stopping.signal.aborted) break;
      if (error.reason === 'wrong-contract') return this.#become('refused', crashes, error);
      // Seen at once, before the store is asked: the node's health must follow within 2 s.
      this.#become('waiting', crashes + 1, error);
      const record = await this.#ledger.add(clock.now());
      crashes = record.crashes.length;
      this.#deps.observer.crashed(this.config.name, crashes, record.unstable, exit?.code ?? undefined);
      if (record.unstable) return this.#rest(crashes, error);
      const delayMs = this.#times.restartDelayMs * 2 ** Math.max(0, crashes - 1);
      await sleep(clock, delayMs, this.#stopping.signal).catch(() => undefined);
    }
  }

  /** Left stopped. Until the store knows, too, it is told again: a daemon that is started anew must not start the plugin. */
  async #rest(crashes: number, error: PluginError): Promise<void> {
    this.#become('unstable', crashes, error);
    const { signal } = this.#stopping;
    while (this.#ledger.unwritten && !signal.aborted) {
      await sleep(this.#deps.clock, this.#times.ledgerRetryMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.#ledger.load(this.#deps.clock.now());
    }
  }

  /** One process from start to end. Its group is gone when this resolves. */
  async #liveOnce(crashes: number): Promise<{ readonly error: PluginError; readonly exit?: PluginExit }> {
    this.#become('starting', crashes);
    // Ends with this process: what waits for it must not wait on beyond.
    const over = new AbortController();
    const signal = AbortSignal.any([this.#stopping.signal, over.signal]);
    let running: PluginProcess | undefined;
    let channel: PluginChannel | undefined;
    try {
      const { clock, observer, runtimeDir } = this.#deps;
      const deadline = clock.mono() + (this.config.readyTimeoutMs ?? READY_TIMEOUT_MS);
      const leftMs = () => Math.max(1, deadline - clock.mono());
      const socket = await freeSocketPath(runtimeDir, this.config.name);
      const { name } = this.config;
      running = await PluginProcess.launch(this.config, socket, clock, (stream, text) =>
        observer.line(name, stream, text),
      );
      const ended = running.exited.then(({ code, signal: by }) => {
        throw new PluginError(name, 'crashed', by ?? `exit code ${code}`);
      });
      ended.catch(() => undefined);
      await this.#within(running.ready, leftMs(), 'not-ready', signal);
      channel = new PluginChannel({ plugin: name, kind: this.config.kind, socket });
      await Promise.race([channel.connected(leftMs()), ended, aborted(signal)]);
      const hands = shakeHands(channel, this.#deps, leftMs(), this.config.tier);
      const introduction = await Promise.race([hands, ended, aborted(signal)]);
      this.#life = { process: running, channel, introduction };
      this.#introduced = introduction;
      this.#tellOfMinor(introduction.minor);
      this.#become('ready', crashes);
      await Promise.race([ended, this.#watchHealth(channel, signal), aborted(signal)]);
      throw new PluginError(name, 'unavailable', 'it is being stopped');
    } catch (caught) {
      const error = await this.#cause(toPluginError(this.config.name, caught), running);
      over.abort(error);
      this.#life = undefined;
      if (!this.#stopping.signal.aborted && this.#status.state === 'ready') this.#become('waiting', crashes + 1, error);
      channel?.close();
      // A process that failed is not asked nicely for long: whoever waits for the plugin waits for this.
      const graceMs = this.#stopping.signal.aborted ? this.#times.stopGraceMs : Math.min(500, this.#times.stopGraceMs);
      await running?.stop(graceMs);
      return { error, ...(running === undefined ? {} : { exit: await running.exited }) };
    }
  }

  /** A plugin may know more than this node: that works, and is said once, since what is newer about it is not used. */
  #tellOfMinor(minor: number): void {
    const known = CONTRACT_MINORS[this.config.kind];
    if (minor <= known || minor === this.#toldMinor) return;
    this.#toldMinor = minor;
    const message = `it speaks minor ${minor} of its contract, this node ${known}; what is newer in it is not used`;
    this.#deps.observer.problem(this.config.name, message);
  }

  /** A connection that breaks is often the first sign of a process that ends: then that is what went wrong. */
  async #cause(error: PluginError, running: PluginProcess | undefined): Promise<PluginError> {
    if (error.reason !== 'unavailable' || running === undefined || this.#stopping.signal.aborted) return error;
    const exit = await Promise.race([running.exited, sleep(this.#deps.clock, EXIT_AFTER_BREAK_MS)]);
    if (exit === undefined) return error;
    return new PluginError(this.config.name, 'crashed', exit.signal ?? `exit code ${exit.code}`, error);
  }

  /** Rejects with `unhealthy` after so many misses in a row; resolves when told to stop. */
  async #watchHealth(channel: PluginChannel, signal: AbortSignal): Promise<void> {
    let misses = 0;
    for (;;) {
      await sleep(this.#deps.clock, this.#times.healthEveryMs, signal);
      try {
        await channel.checkHealth(this.#times.healthTimeoutMs);
        misses = 0;
      } catch (error) {
        misses++;
        this.#deps.observer.problem(this.config.name, `health check missed (${misses} in a row)`, error);
        if (misses >= this.#times.healthMissesMax)
          throw new PluginError(this.config.name, 'unhealthy', (error as Error).message, error);
      }
    }
  }

  async #within<T>(work: Promise<T>, limitMs: number, reason: 'not-ready', signal: AbortSignal): Promise<T> {
    const timer = new AbortController();
    const late = sleep(this.#deps.clock, limitMs, timer.signal).then(() => {
      throw new PluginError(this.config.name, reason, `within ${Math.round(limitMs)} ms`);
    });
    late.catch(() => undefined);
    try {
      return await Promise.race([work, late, aborted(signal)]);
    } finally {
      timer.abort();
    }
  }

  #become(state: PluginState, crashes: number, error?: PluginError): void {
    this.#status = {
      plugin: this.config.name,
      kind: this.config.kind,
      state,
      since: this.#deps.clock.now(),
      crashes,
      ...(this.#life === undefined ? {} : { pid: this.#life.process.pid, introduction: this.#life.introduction }),
      ...(error === undefined ? {} : { error }),
    };
    this.#deps.observer.status(this.#status);
    for (const watcher of [...this.#watchers]) watcher();
  }
}

/** Rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    else signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  promise.catch(() => undefined);
  return promise;
}

function toPluginError(plugin: string, error: unknown): PluginError {
  if (error instanceof PluginError) return error;
  return new PluginError(plugin, 'cannot-start', error instanceof Error ? error.message : String(error), error);
}

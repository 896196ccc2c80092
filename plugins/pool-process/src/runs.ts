/**
 * The runs of this host: a folder for each (task, fence) with `run.json` (what to run), `output`, `task.pid`, and at last `end.json`.
 * Everything is read from there, so a plugin that is started again knows what its predecessor knew.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Call, type PoolPlugin, type pool, Refusal, type RunKey } from '@boi/plugin-sdk';
import { readFrames } from './frames.ts';

export interface RunFile {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
}

export interface Ended {
  readonly how: 'exitCode' | 'signal' | 'startFailure' | 'lost';
  readonly value: string | number;
  readonly endOffset: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

const POLL_MS = 25;
/** A process of Node on a busy host. */
const KEEPER_WAIT_MS = 20_000;
/** After KILL only the kernel's work is left. */
const KILLED_WAIT_MS = 5_000;

export class Runs implements PoolPlugin {
  readonly name = 'pool-process';
  readonly version = '0.1.0';
  readonly #root: string;
  readonly #program: string;
  readonly #turns = new Map<string, Promise<unknown>>();
  readonly #cancelled = new Set<string>();

  /** `program`: this program, which is also the keeper of each run. */
  constructor(root: string, program: string) {
    this.#root = root;
    this.#program = program;
  }

  async spawn({ taskId, fence, argv, env, workdir }: pool.SpawnRequest__Output): Promise<pool.SpawnResponse> {
    const key = { taskId, fence };
    return this.#inTurn(key, async () => {
      const folder = this.#folder(key);
      const handle = folder.slice(-200);
      if (existsSync(join(folder, 'keeper.pid'))) return { alreadySpawned: true, handle };
      await this.#refuseStale(key);
      // Without the keeper's pid nothing was started: what is there a crash left.
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(join(folder, 'run.json'), JSON.stringify({ argv, env, workdir } satisfies RunFile), {
        mode: 0o600,
      });
      // Without these it is no part of the plugin: it goes on when the node ends what is left of the plugin.
      const { BOI_PLUGIN_SOCKET: _, BOI_PLUGIN_ID: __, ...own } = process.env;
      const options = { detached: true, stdio: 'ignore', env: own } as const;
      const keeper = spawn(process.execPath, [this.#program, 'keep', folder], options);
      await new Promise<void>((resolve, reject) => keeper.once('spawn', resolve).once('error', reject));
      keeper.unref();
      for (let waitedMs = 0; !existsSync(join(folder, 'keeper.pid')); waitedMs += POLL_MS) {
        if (waitedMs > KEEPER_WAIT_MS) throw new Error('the keeper of the run does not start');
        await pause(POLL_MS);
      }
      return { alreadySpawned: false, handle };
    });
  }

  async *tail(key: RunKey, fromOffset: number, { signal }: Call): AsyncIterable<pool.TailResponse> {
    const folder = this.#known(key);
    let [at, offset] = [0, 0];
    while (!signal.aborted) {
      // Looked at before the output is read: what is written afterwards belongs to a later look.
      const ended = this.#ended(key);
      const { frames, next } = await readFrames(join(folder, 'output'), at);
      at = next;
      for (const { stream, data } of frames) {
        const skip = Math.max(0, fromOffset - offset);
        if (skip < data.length) {
          const name = stream === 2 ? ('OUTPUT_STREAM_STDERR' as const) : ('OUTPUT_STREAM_STDOUT' as const);
          yield { chunk: { offset: String(offset + skip), stream: name, data: data.subarray(skip) } };
        }
        offset += data.length;
      }
      if (frames.length > 0) continue;
      if (ended !== undefined) {
        const { how, value, startedAtMs, endedAtMs } = ended;
        yield {
          end: {
            [how]: value,
            endOffset: String(offset),
            startedAtMs: String(startedAtMs),
            endedAtMs: String(endedAtMs),
          },
        };
        return;
      }
      await pause(POLL_MS);
    }
  }

  /** Everything is kept until the release: simple, and the disk has room for it. */
  acknowledge(): void {}

  async cancel(key: RunKey, graceMs: number): Promise<pool.CancelResponse> {
    const folder = this.#folder(key);
    if (!existsSync(join(folder, 'keeper.pid')) || this.#ended(key) !== undefined) return { wasRunning: false };
    const id = `${key.taskId}.${key.fence}`;
    const isSecond = this.#cancelled.has(id);
    this.#cancelled.add(id);
    void this.#stop(key, isSecond ? 0 : graceMs).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
    return { wasRunning: true };
  }

  async list(): Promise<pool.ListedTask[]> {
    const names = await readdir(this.#root).catch(() => []);
    return names.flatMap((name) => {
      const [taskId, fence] = name.split('.');
      if (taskId === undefined || fence === undefined) return [];
      const running = this.#ended({ taskId, fence }) === undefined;
      return [{ taskId, fence, running, handle: join(this.#root, name).slice(-200) }];
    });
  }

  async release(key: RunKey): Promise<void> {
    return this.#inTurn(key, async () => {
      const folder = this.#folder(key);
      if (existsSync(join(folder, 'keeper.pid'))) await this.#stop(key, 0);
      await rm(folder, { recursive: true, force: true });
      this.#cancelled.delete(`${key.taskId}.${key.fence}`);
    });
  }

  async #stop(key: RunKey, graceMs: number): Promise<void> {
    const folder = this.#folder(key);
    for (const [signal, waitMs] of [
      ['SIGTERM', graceMs],
      ['SIGKILL', KILLED_WAIT_MS],
    ] as const) {
      for (let waitedMs = 0; waitedMs < waitMs; waitedMs += POLL_MS) {
        if (this.#ended(key) !== undefined) return;
        // Sent once the task has a pid; sending the same signal again changes nothing.
        if (waitedMs === 0 || signal === 'SIGKILL') signalGroup(join(folder, 'task.pid'), signal);
        await pause(POLL_MS);
      }
    }
  }

  /** Undefined while it runs. A keeper that is gone without having written the end took the knowledge with it. */
  #ended(key: RunKey): Ended | undefined {
    const folder = this.#folder(key);
    const read = () => {
      try {
        return JSON.parse(readFileSync(join(folder, 'end.json'), 'utf8')) as Ended;
      } catch {
        return undefined;
      }
    };
    const ended = read();
    if (ended !== undefined || isAlive(join(folder, 'keeper.pid'))) return ended;
    const value = 'the process that kept it is gone';
    return read() ?? { how: 'lost', value, endOffset: 0, startedAtMs: 0, endedAtMs: Date.now() };
  }

  /** A claim that was taken away may call late, when the task runs for its successor already. */
  async #refuseStale({ taskId, fence }: RunKey): Promise<void> {
    const names = await readdir(this.#root).catch(() => []);
    const fences = names
      .filter((name) => name.startsWith(`${taskId}.`))
      .map((name) => BigInt(name.slice(taskId.length + 1)));
    const newer = fences.find((known) => known > BigInt(fence));
    if (newer !== undefined)
      throw new Refusal('failed-precondition', `the fence is stale: the task is known under ${newer}`);
  }

  #known(key: RunKey): string {
    const folder = this.#folder(key);
    if (!existsSync(join(folder, 'keeper.pid'))) throw new Refusal('not-found', 'there is no such run');
    return folder;
  }

  #folder({ taskId, fence }: RunKey): string {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(taskId)) throw new Refusal('invalid-argument', 'task_id is ill-formed');
    return join(this.#root, `${taskId}.${fence}`);
  }

  async #inTurn<T>({ taskId, fence }: RunKey, work: () => Promise<T>): Promise<T> {
    const id = `${taskId}.${fence}`;
    const mine = (this.#turns.get(id) ?? Promise.resolve()).catch(() => undefined).then(work);
    this.#turns.set(id, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(id) === mine) this.#turns.delete(id);
    }
  }
}

function pidIn(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(file: string): boolean {
  const pid = pidIn(file);
  try {
    return pid !== undefined && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function signalGroup(file: string, signal: NodeJS.Signals): void {
  const pid = pidIn(file);
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has ended.
  }
}

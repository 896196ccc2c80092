/**
 * The nodes of this host: a folder for each request with what was started (`process.json`), the token (mode 0600) and the node's
 * data. A process leads a group of its own and lives on when the plugin ends; the next plugin finds it by pid and start
 * time, so that a pid that was given to another program since is not mistaken for it.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type provisioner, Refusal } from '@boi/plugin-sdk';

interface Started {
  readonly pid: number;
  /** In clock ticks since boot, from /proc. */
  readonly startTime: string;
}

/** Between TERM and KILL: a node drains. */
const STOP_MS = 20_000;
const POLL_MS = 50;

export class NodeProcesses {
  readonly #root: string;
  readonly #command: readonly string[];
  readonly #max: number;
  /** Calls about one request wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(root: string, command: readonly string[], max: number) {
    this.#root = root;
    this.#command = command;
    this.#max = max;
  }

  async provision(request: provisioner.ProvisionRequest__Output): Promise<provisioner.ProvisionResponse> {
    return this.#inTurn(request.requestId, async () => {
      const folder = this.#folder(request.requestId);
      const known = readStarted(folder);
      if (known !== undefined) return { alreadyProvisioned: true, handle: `pid ${known.pid}` };
      const live = (await this.list()).filter(({ state }) => state === 'PROVISION_STATE_RUNNING').length;
      if (live >= this.#max)
        throw new Refusal('resource-exhausted', `${live} nodes run on this host, ${this.#max} may`);
      const { pid } = await this.#start(folder, request);
      return { alreadyProvisioned: false, handle: `pid ${pid}` };
    });
  }

  async deprovision(requestId: string): Promise<provisioner.DeprovisionResponse> {
    return this.#inTurn(requestId, async () => {
      const folder = this.#folder(requestId);
      const existed = existsSync(folder);
      const started = readStarted(folder);
      if (started !== undefined && isAlive(started)) await stopGroup(started);
      await rm(folder, { recursive: true, force: true });
      return { existed };
    });
  }

  async list(): Promise<provisioner.ListedProvision[]> {
    const names = await readdir(this.#root).catch(() => []);
    return names.flatMap((requestId) => {
      const started = readStarted(join(this.#root, requestId));
      if (started === undefined) return [];
      const handle = `pid ${started.pid}`;
      return isAlive(started)
        ? { requestId, state: 'PROVISION_STATE_RUNNING' as const, handle, message: '' }
        : { requestId, state: 'PROVISION_STATE_FAILED' as const, handle, message: 'the node has ended; see its log' };
    });
  }

  async #start(folder: string, request: provisioner.ProvisionRequest__Output): Promise<Started> {
    await mkdir(join(folder, 'data'), { recursive: true, mode: 0o700 });
    const tokenFile = join(folder, 'token');
    await writeFile(tokenFile, request.joinToken, { mode: 0o600 });
    const values: Record<string, string> = {
      request_id: request.requestId,
      token_file: tokenFile,
      bootstrap: request.bootstrapAddresses.join(','),
      data_dir: join(folder, 'data'),
      labels: Object.entries(request.labels)
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    };
    const [program = '', ...args] = this.#command.map((word) =>
      word.replace(/\{(\w+)\}/g, (all, name: string) => values[name] ?? all),
    );
    const log = await open(join(folder, 'log'), 'a', 0o600);
    try {
      const { BOI_PLUGIN_SOCKET: _, BOI_PLUGIN_ID: __, ...env } = process.env;
      const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd], env });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (error) => reject(new Refusal('failed-precondition', error.message)));
      });
      child.unref();
      const started: Started = { pid: child.pid as number, startTime: startTimeOf(child.pid as number) ?? '' };
      await writeFile(join(folder, 'process.json.new'), JSON.stringify(started));
      await rename(join(folder, 'process.json.new'), join(folder, 'process.json'));
      return started;
    } finally {
      await log.close();
    }
  }

  #folder(requestId: string): string {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(requestId)) throw new Refusal('invalid-argument', 'request_id is ill-formed');
    return join(this.#root, requestId);
  }

  async #inTurn<T>(requestId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(requestId) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.#turns.set(requestId, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(requestId) === mine) this.#turns.delete(requestId);
    }
  }
}

function readStarted(folder: string): Started | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'process.json'), 'utf8')) as Started;
  } catch {
    return undefined;
  }
}

/** Undefined if there is no such process, or only its exit code is left. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function isAlive({ pid, startTime }: Started): boolean {
  return startTimeOf(pid) === startTime;
}

async function stopGroup(started: Started): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(-started.pid, signal);
    } catch {
      return;
    }
    for (let waitedMs = 0; waitedMs < STOP_MS; waitedMs += POLL_MS) {
      if (!isAlive(started)) return;
      await pause(POLL_MS);
    }
  }
  throw new Error(`process ${started.pid} does not end`);
}

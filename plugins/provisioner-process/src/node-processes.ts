/**
 * The nodes of this host: a folder for each request with what was started (`process.json`), the token (mode 0600) and the node's
 * data. A process leads a group of its own and lives on when the plugin ends.
 *
 * A plugin that is killed between the start of a node and the note of its pid must not start a second one: the folder says
 * `starting` before, and the process has the id of its request in its environment, by which the next plugin finds it.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Offers, type provisioner, Refusal, requireOffered } from '@boi/plugin-sdk';
import { findStarted, isAlive, type Started, startedOf, stopGroup } from './processes.ts';

export interface NodeProcessesOptions {
  /** Where the folders are. */
  readonly root: string;
  /** Program and arguments; `{…}` in them is replaced. */
  readonly command: readonly string[];
  /** Nodes at once. */
  readonly max: number;
  /** Labels of the nodes. Default: unknown, and every request is tried. */
  readonly offers?: Offers;
}

/** In the environment of each node. */
const MARK = 'BOI_PROVISION_REQUEST';

export class NodeProcesses {
  readonly #options: NodeProcessesOptions;
  /** Calls about one request wait for each other. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(options: NodeProcessesOptions) {
    this.#options = options;
  }

  async provision(request: provisioner.ProvisionRequest__Output): Promise<provisioner.ProvisionResponse> {
    const { max, offers } = this.#options;
    return this.#inTurn(request.requestId, async () => {
      const folder = this.#folder(request.requestId);
      const known = await this.#known(request.requestId);
      if (known !== undefined) return { alreadyProvisioned: true, handle: `pid ${known.pid}` };
      // A call that was held up on its way: nobody waits for the node any more.
      if (Number(request.deadlineMs) <= Date.now()) throw new Refusal('failed-precondition', 'the deadline has passed');
      if (offers !== undefined) requireOffered(offers, request.requirements);
      const live = (await this.list()).filter(({ state }) => state === 'PROVISION_STATE_RUNNING').length;
      if (live >= max) throw new Refusal('resource-exhausted', `${live} nodes run on this host, ${max} may`);
      const { pid } = await this.#start(folder, request);
      return { alreadyProvisioned: false, handle: `pid ${pid}` };
    });
  }

  async deprovision(requestId: string): Promise<provisioner.DeprovisionResponse> {
    return this.#inTurn(requestId, async () => {
      const folder = this.#folder(requestId);
      const existed = existsSync(folder);
      const started = await this.#known(requestId);
      if (started !== undefined && isAlive(started)) await stopGroup(started);
      await rm(folder, { recursive: true, force: true });
      return { existed };
    });
  }

  async list(): Promise<provisioner.ListedProvision[]> {
    const names = await readdir(this.#options.root).catch(() => []);
    const listed = await Promise.all(
      names.map(async (requestId): Promise<provisioner.ListedProvision[]> => {
        if (!isStarting(this.#folder(requestId)) && readStarted(this.#folder(requestId)) === undefined) return [];
        const started = await this.#known(requestId);
        const handle = started === undefined ? '' : `pid ${started.pid}`;
        if (started !== undefined && isAlive(started))
          return [{ requestId, state: 'PROVISION_STATE_RUNNING', handle, message: '' }];
        if (started === undefined && this.#turns.has(requestId))
          return [{ requestId, state: 'PROVISION_STATE_STARTING', handle, message: '' }];
        return [{ requestId, state: 'PROVISION_STATE_FAILED', handle, message: 'the node has ended; see its log' }];
      }),
    );
    return listed.flat();
  }

  /** What was started for the request, alive or not; undefined: nothing was. */
  async #known(requestId: string): Promise<Started | undefined> {
    const folder = this.#folder(requestId);
    const noted = readStarted(folder);
    if (noted !== undefined || !isStarting(folder)) return noted;
    const found = findStarted(MARK, requestId);
    if (found !== undefined) await note(folder, found);
    return found;
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
      labels: Object.entries({ ...this.#options.offers, ...request.labels })
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
    };
    const [program = '', ...args] = this.#options.command.map((word) =>
      word.replace(/\{(\w+)\}/g, (all, name: string) => values[name] ?? all),
    );
    const log = await open(join(folder, 'log'), 'a', 0o600);
    try {
      const { BOI_PLUGIN_SOCKET: _, BOI_PLUGIN_ID: __, ...env } = process.env;
      await writeFile(join(folder, 'starting'), '');
      const child = spawn(program, args, {
        detached: true,
        stdio: ['ignore', log.fd, log.fd],
        env: { ...env, [MARK]: request.requestId },
      });
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve);
        child.once('error', (error) => reject(new Refusal('failed-precondition', error.message)));
      });
      child.unref();
      const pid = child.pid as number;
      const started = startedOf(pid) ?? { pid, startTime: '' };
      await note(folder, started);
      return started;
    } finally {
      await log.close();
    }
  }

  #folder(requestId: string): string {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(requestId)) throw new Refusal('invalid-argument', 'request_id is ill-formed');
    return join(this.#options.root, requestId);
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

/** Old or new, never half. */
async function note(folder: string, started: Started): Promise<void> {
  await writeFile(join(folder, 'process.json.new'), JSON.stringify(started));
  await rename(join(folder, 'process.json.new'), join(folder, 'process.json'));
}

function isStarting(folder: string): boolean {
  return existsSync(join(folder, 'starting'));
}

function readStarted(folder: string): Started | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'process.json'), 'utf8')) as Started;
  } catch {
    return undefined;
  }
}

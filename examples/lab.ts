/**
 * A cluster as a person sets one up, for the test of the examples: a real etcd, three daemons started by the built command with
 * a data directory each, and a shell that has only a context. Everything listens on loopback and ends with `stop`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type EtcdServer, startEtcd } from '@boi/store/testing';

const COMMAND = join(import.meta.dirname, '../packages/cli/bin/boi-node.js');
/** The shortest the settings allow, so that a killed node's work moves soon. */
const SESSION_TTL = '3s';
const NODES = 3;

export interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface LabNode {
  readonly name: string;
  readonly dataDir: string;
  process: ChildProcess;
  url: string;
}

export class Lab {
  readonly dir: string;
  readonly #etcd: EtcdServer;
  readonly #nodes: LabNode[] = [];

  private constructor(dir: string, etcd: EtcdServer) {
    this.dir = dir;
    this.#etcd = etcd;
  }

  /** `prepare` is called with each node's data directory before its first start. */
  static async start(prepare: (dataDir: string) => Promise<void> = async () => {}): Promise<Lab> {
    const dir = await mkdtemp(join(tmpdir(), 'boi-examples-'));
    await mkdir(join(dir, 'config'));
    const lab = new Lab(dir, await startEtcd());
    for (let i = 1; i <= NODES; i++) {
      const dataDir = join(dir, `node-${i}`);
      await prepare(dataDir);
      lab.#nodes.push({ name: `node-${i}`, dataDir, ...(await lab.#startNode(`node-${i}`, dataDir)) });
    }
    return lab;
  }

  /** One command of the laptop; `endpoints` are all nodes that live. */
  async boi(...args: readonly string[]): Promise<Answer> {
    const endpoints = this.#nodes.filter(({ process }) => process.exitCode === null && process.signalCode === null);
    const child = spawn(process.execPath, [COMMAND, ...args], {
      env: { ...this.#env(), BOI_ENDPOINTS: endpoints.map(({ url }) => url).join(',') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (data) => {
      stdout += data;
    });
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  /** SIGKILL to the daemon of this name; what ran under it is its guard's business. */
  async kill(name: string): Promise<void> {
    const { process: daemon } = this.#node(name);
    const exited = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await exited;
  }

  /** Brings a killed daemon back, with its data directory. */
  async revive(name: string): Promise<void> {
    const node = this.#node(name);
    Object.assign(node, await this.#startNode(node.name, node.dataDir));
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#nodes.map(async ({ process: daemon }) => {
        if (daemon.exitCode !== null || daemon.signalCode !== null) return;
        const exited = once(daemon, 'exit');
        daemon.kill('SIGTERM');
        await exited;
      }),
    );
    await this.#etcd.stop();
    await rm(this.dir, { recursive: true, force: true });
  }

  #node(name: string): LabNode {
    const node = this.#nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  async #startNode(name: string, dataDir: string): Promise<{ process: ChildProcess; url: string }> {
    const args = ['join', '--insecure', '--name', name, '--etcd', this.#etcd.endpoint, '--data-dir', dataDir];
    args.push('--listen', '127.0.0.1:0', '--slots', '2', '--session-ttl', SESSION_TTL, '--shutdown-drain', '1s');
    const daemon = spawn(process.execPath, [COMMAND, ...args], { env: this.#env(), stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const url = await new Promise<string>((resolve, reject) => {
      const listen = (data: Buffer) => {
        said += data;
        const ready = /"address":"([^"]+)".*"msg":"ready"/.exec(said);
        if (ready?.[1] !== undefined) resolve(ready[1]);
      };
      daemon.stdout.on('data', listen);
      daemon.stderr.on('data', listen);
      daemon.once('exit', (code, signal) => reject(new Error(`${name} ended with ${signal ?? code}:\n${said}`)));
    });
    return { process: daemon, url };
  }

  #env(): NodeJS.ProcessEnv {
    const { PATH, HOME, TMPDIR } = process.env;
    return { PATH, HOME, TMPDIR, BOI_CONFIG_DIR: join(this.dir, 'config') };
  }
}

/** Asks until there is an answer, for at most half a minute: for what shows only from outside, in files and in views. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 300; tries++) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(100);
  }
  throw new Error(`${what}: not within half a minute`);
}

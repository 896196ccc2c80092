/**
 * Real etcd for tests: the `etcd` on PATH with a data directory of its own and fsync on, listening on free loopback ports.
 * Ready when it says it serves clients, which for a member of a cluster means that there is a leader. Processes are
 * signalled by the ids of the children started here, and end with this process at the latest.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePorts } from './free-port.ts';

export interface EtcdOptions {
  /** Further flags, such as `--quota-backend-bytes=…`. */
  readonly args?: readonly string[];
  /** Paths; serve clients by TLS and demand a certificate signed by this CA. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** How much of a member's output is kept for the message when it does not start. */
const OUTPUT_LINES_MAX = 50;

export class EtcdServer {
  /** Such as `http://127.0.0.1:4711`. Stays the same across restarts. */
  readonly endpoint: string;
  readonly port: number;
  readonly #args: readonly string[];
  readonly #dataDir: string;
  #child: ChildProcess | undefined;

  constructor(endpoint: string, dataDir: string, args: readonly string[]) {
    this.endpoint = endpoint;
    this.port = Number(new URL(endpoint).port);
    this.#dataDir = dataDir;
    this.#args = args;
  }

  async start(): Promise<void> {
    const child = spawn('etcd', this.#args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    const killWithUs = () => child.kill('SIGKILL');
    process.once('exit', killWithUs);
    child.once('exit', () => process.off('exit', killWithUs));
    await ready(child);
  }

  /** SIGSTOP: the process keeps its connections and answers nothing. */
  pause(): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    process.kill(pid, 'SIGSTOP');
    // A thread that runs on the other core answers for a moment longer than the signal takes to be sent.
    while (!isStopped(pid));
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** SIGKILL; `start` brings it back with its data. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  /** Ends the process and removes its data. */
  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#dataDir, { recursive: true, force: true });
  }
}

export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  const { servers } = await startEtcdCluster(1, options);
  return servers[0] as EtcdServer;
}

export interface EtcdCluster {
  readonly servers: readonly EtcdServer[];
  readonly endpoints: readonly string[];
  stop(): Promise<void>;
}

export async function startEtcdCluster(members: number, options: EtcdOptions = {}): Promise<EtcdCluster> {
  const ports = await freePorts(2 * members);
  const scheme = options.tls === undefined ? 'http' : 'https';
  const plans = await Promise.all(
    Array.from({ length: members }, async (_, i) => ({
      name: `m${i}`,
      client: `${scheme}://127.0.0.1:${ports[2 * i]}`,
      peer: `http://127.0.0.1:${ports[2 * i + 1]}`,
      dataDir: await mkdtemp(join(tmpdir(), 'boi-etcd-')),
    })),
  );
  const initialCluster = plans.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const servers = plans.map(
    ({ name, client, peer, dataDir }) =>
      new EtcdServer(client, dataDir, [
        `--name=${name}`,
        `--data-dir=${dataDir}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=${initialCluster}`,
        '--logger=zap',
        ...(options.tls === undefined
          ? []
          : [
              `--trusted-ca-file=${options.tls.ca}`,
              `--cert-file=${options.tls.cert}`,
              `--key-file=${options.tls.key}`,
              '--client-cert-auth',
            ]),
        ...(options.args ?? []),
      ]),
  );
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    await Promise.all(servers.map((server) => server.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  return { servers, endpoints: servers.map(({ endpoint }) => endpoint), stop };
}

function ready(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    const output: string[] = [];
    const fail = (why: string) => reject(new Error(`etcd ${why}\n${output.join('\n')}`));
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => fail(`ended before it was ready (${code ?? signal})`));
    if (child.stderr === null) throw new Error('etcd was started without a pipe');
    // Reads on to the end: a full pipe would block the server.
    createInterface({ input: child.stderr }).on('line', (line) => {
      output.push(line);
      if (output.length > OUTPUT_LINES_MAX) output.shift();
      if (line.includes('serving client traffic')) resolve();
    });
  });
}

/** Whether every thread of a process stands still, or has ended. Where there is no /proc nobody can tell: then yes. */
function isStopped(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  return !existsSync(threads) || readdirSync(threads).every((thread) => standsStill(`${threads}/${thread}/stat`));
}

function standsStill(path: string): boolean {
  try {
    const stat = readFileSync(path, 'utf8');
    return 'TtZX'.includes(stat[stat.lastIndexOf(')') + 2] as string);
  } catch {
    // It has ended meanwhile.
    return true;
  }
}

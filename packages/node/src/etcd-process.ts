/**
 * A local single-member etcd for `boi-node dev --store etcd`: found on PATH, on loopback ports nobody uses, with fsync on,
 * restarted when it dies, stopped with the daemon. Not for production: there, etcd is run and backed up on its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BoiError } from '@boi/core';
import type { Logger } from 'pino';

const STOP_MS = 10_000;
/** Deaths in a row after which it is given up: the data directory or the disk is at fault, not chance. */
const RESTARTS_MAX = 5;

export class EtcdProcess {
  readonly endpoint: string;
  readonly #args: readonly string[];
  readonly #log: Logger;
  readonly #onGivenUp: (error: BoiError) => void;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restarts = 0;

  private constructor(endpoint: string, args: readonly string[], log: Logger, onGivenUp: (error: BoiError) => void) {
    this.endpoint = endpoint;
    this.#args = args;
    this.#log = log;
    this.#onGivenUp = onGivenUp;
  }

  /** Resolves when the process runs; whether it serves is for the store's first call to find out. */
  static async start(dataDir: string, log: Logger, onGivenUp: (error: BoiError) => void): Promise<EtcdProcess> {
    const [client, peer] = await Promise.all([freePort(), freePort()]);
    const endpoint = `http://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peer}`;
    const args = [
      ...['--name', 'dev', '--data-dir', dataDir, '--log-level', 'warn', '--logger', 'zap'],
      ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
      ...[
        '--listen-peer-urls',
        peerUrl,
        '--initial-advertise-peer-urls',
        peerUrl,
        '--initial-cluster',
        `dev=${peerUrl}`,
      ],
    ];
    const etcd = new EtcdProcess(endpoint, args, log, onGivenUp);
    await etcd.#spawn();
    return etcd;
  }

  async #spawn(): Promise<void> {
    const child = spawn('etcd', this.#args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    try {
      await once(child, 'spawn');
    } catch (cause) {
      throw new BoiError(
        'config-invalid',
        'etcd is not on PATH. Install it (Debian: apt-get install etcd-server), or use --store memory.',
        { cause },
      );
    }
    child.stderr?.on('data', (chunk: Buffer) => this.#log.debug({ etcd: chunk.toString('utf8').trim() }, 'etcd says'));
    child.once('exit', (code, signal) => {
      if (this.#stopping) return;
      this.#restarts++;
      this.#log.error({ code, signal, restarts: this.#restarts }, 'etcd ended');
      if (this.#restarts > RESTARTS_MAX)
        this.#onGivenUp(new BoiError('store-unreachable', `etcd ended ${this.#restarts} times; see the log`));
      else void this.#spawn();
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(kill);
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

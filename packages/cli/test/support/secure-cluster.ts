/**
 * A cluster with identities as its operator makes one: `cluster init`, a daemon, tokens, further daemons, users with shells
 * of their own. Keeps everything that daemons and commands wrote, and tells what is in the store.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EtcdStore, type KeyValue, prefixEnd } from '@boi/store';
import { type EtcdServer, freePorts, startEtcd } from '@boi/store/testing';
import { systemClock, systemRandom } from '@boi/system';
import { COMMAND, ensureBuilt } from './build.ts';
import { type Outcome, Shell } from './shell.ts';
import { until } from './until.ts';

export const PREFIX = '/boi/';
const STOP_WITHIN_MS = 20_000;
const OF_THEIR_OWN = ['load/', 'specs/', 'specbody/', 'results/', 'archive/', 'coord/'];

export class SecureDaemon {
  readonly name: string;
  readonly dataDir: string;
  readonly #words: readonly string[];
  #child: ChildProcess | undefined;
  /** All it wrote in all its lives. */
  output = '';
  #id: string | undefined;

  constructor(name: string, dataDir: string, words: readonly string[]) {
    this.name = name;
    this.dataDir = dataDir;
    this.#words = words;
  }

  get id(): string {
    if (this.#id === undefined) throw new Error(`${this.name} was never ready`);
    return this.#id;
  }

  /** `more`: for this start alone. */
  async start(...more: readonly string[]): Promise<void> {
    const { PATH, HOME, TMPDIR } = process.env;
    const from = this.output.length;
    const child = spawn(process.execPath, [COMMAND, 'join', '--log-level', 'debug', ...this.#words, ...more], {
      env: { PATH, HOME, TMPDIR },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    const ready = await until(
      `${this.name} is ready`,
      () => {
        const line = this.output
          .slice(from)
          .split('\n')
          .find((text) => text.includes('"msg":"ready"'));
        if (line === undefined && child.exitCode !== null)
          throw new Error(`${this.name} ended with ${child.exitCode}:\n${this.output.slice(-4_000)}`);
        return line;
      },
      60_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.output.slice(-4_000)}`);
    });
    this.#id = (JSON.parse(ready) as { node: string }).node;
  }

  /** Waits until it ends by itself; its exit code. */
  async ended(): Promise<number | null | undefined> {
    const child = this.#child;
    await until(`${this.name} has ended`, () => child?.exitCode !== null || child.signalCode !== null, 60_000);
    return child?.exitCode;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await exited;
    clearTimeout(late);
  }
}

export class SecureCluster {
  readonly dir: string;
  readonly etcd: EtcdServer;
  /** At the host of the first node, as whoever founded the cluster. */
  readonly admin: Shell;
  readonly daemons: SecureDaemon[] = [];
  readonly #store: EtcdStore;
  /** Where the first node serves. */
  readonly url: string;
  /** Everything commands wrote that was not the secret they were asked for. */
  output = '';

  private constructor(dir: string, etcd: EtcdServer, admin: Shell, port: number) {
    this.dir = dir;
    this.etcd = etcd;
    this.admin = admin;
    this.url = `https://127.0.0.1:${port}`;
    this.#store = new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom });
  }

  static async make(): Promise<SecureCluster> {
    await ensureBuilt();
    const dir = await mkdtemp(join(tmpdir(), 'boi-identity-'));
    const admin = await Shell.bare(join(dir, 'admin'));
    const [port] = await freePorts(1);
    return new SecureCluster(dir, await startEtcd(), admin, port as number);
  }

  /** The settings of the first node. */
  get foundingWords(): string[] {
    const listen = new URL(this.url).host;
    return ['--etcd', this.etcd.endpoint, '--data-dir', join(this.dir, 'first'), '--listen', listen, '--name', 'first'];
  }

  /** `before`: between the founding and the first start of the node. `more`: its further settings. */
  async found(before: () => Promise<void> = async () => {}, ...more: readonly string[]): Promise<void> {
    await this.ok(this.admin, ['cluster', 'init', ...this.foundingWords]);
    await before();
    const first = new SecureDaemon('first', join(this.dir, 'first'), [
      ...this.foundingWords,
      ...common('first'),
      ...more,
    ]);
    this.daemons.push(first);
    await first.start();
  }

  /** A further node: its settings name neither etcd nor prefix, since it is told both when it joins. */
  async join(name: string, tokenFile: string): Promise<SecureDaemon> {
    const dataDir = join(this.dir, name);
    const words = ['--data-dir', dataDir, '--listen', '127.0.0.1:0', '--name', name, ...common(name)];
    const daemon = new SecureDaemon(name, dataDir, words);
    this.daemons.push(daemon);
    await daemon.start('--token-file', tokenFile);
    return daemon;
  }

  /** A join token, by the admin; the second is the file it is in. */
  async token(...flags: readonly string[]): Promise<readonly [token: string, file: string]> {
    const { code, stdout, stderr } = await this.admin.run(['token', 'create', ...flags]);
    this.output += stderr;
    if (code !== 0) throw new Error(`token create ended with ${code}: ${stderr}`);
    const token = stdout.trim();
    const file = join(this.dir, `token-${token.slice(-12)}`);
    await writeFile(file, token, { mode: 0o600 });
    return [token, file];
  }

  async run(shell: Shell, words: readonly string[], stdin = ''): Promise<Outcome> {
    const outcome = await shell.run(words, stdin);
    this.output += outcome.stdout + outcome.stderr;
    return outcome;
  }

  async ok(shell: Shell, words: readonly string[], stdin = ''): Promise<string> {
    const { code, stdout, stderr } = await this.run(shell, words, stdin);
    if (code !== 0) throw new Error(`boi-node ${words.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
    return stdout;
  }

  /** Every key of the cluster. */
  async dump(): Promise<readonly KeyValue[]> {
    const found: KeyValue[] = [];
    let start = PREFIX;
    for (;;) {
      const page = await this.#store.range({ start, end: prefixEnd(PREFIX), limit: 500 });
      found.push(...page.kvs);
      const last = page.kvs.at(-1);
      if (last === undefined || !page.more) return found;
      start = `${last.key}\0`;
    }
  }

  /** Which revision wrote each key, but for what nodes write without being asked: their load, and finished specs put away. */
  async written(): Promise<string> {
    const kvs = await this.dump();
    return kvs
      .filter(({ key }) => !OF_THEIR_OWN.some((kind) => key.startsWith(PREFIX + kind)))
      .map(({ key, modRevision }) => `${key} ${modRevision}`)
      .join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.daemons.map((daemon) => daemon.stop()));
    await this.#store.close();
    await this.etcd.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

const common = (name: string) => [
  ...['--label', `at=${name}`, '--slots', '2', '--session-ttl', '3s', '--shutdown-drain', '1s'],
];

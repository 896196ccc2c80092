/**
 * A cluster as an operator would set it up, each host a container with a disk (volume) of its own on a network that this test
 * alone uses: etcd of one or three members, nodes that joined with tokens, and a laptop with a user's credentials. What a
 * test asks is asked of the public API, through the command on the laptop; what it must know of records, of etcd itself.
 *
 * `effects` is a directory on every node's disk, shared between them: tasks append lines to files there, which witness what ran,
 * whatever the records say.
 */
import { randomBytes } from 'node:crypto';
import { appendFile, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api, type Credentials } from './api.ts';
import { Container, type ExecOptions, type Outcome } from './container.ts';
import { docker, LABEL, removeAll } from './engine.ts';
import type { NodeView } from './spec.ts';
import { until } from './until.ts';

export interface ClusterOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** Members of etcd, 1 or 3. Default 1. */
  readonly etcd?: 1 | 3;
  /** Settings of every node, flags without their dashes. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Settings of node *n*, counted from 1. */
  readonly settingsOf?: (n: number) => Readonly<Record<string, string>>;
}

/** The shortest that the settings allow: what waits for a lease is the slowest part of most tests. */
export const SESSION_TTL_S = 3;

/** What the nodes run; a mutation twin names another one. */
const IMAGE = process.env.BOI_E2E_IMAGE ?? 'boi-node';
const READY_WITHIN_MS = 60_000;
const DATA = '/var/lib/boi-node';
const EFFECTS = '/effects';
const API_PORT = 7440;

export class Cluster {
  readonly id: string;
  readonly etcd: readonly Container[] = [];
  readonly nodes: readonly Container[] = [];
  #laptop: Container | undefined;
  #api: Api | undefined;
  readonly #options: ClusterOptions;
  readonly #network: string;
  /** On this host; every node sees it as `/effects`. */
  readonly #effects: string;

  private constructor(id: string, effects: string, options: ClusterOptions) {
    this.id = id;
    this.#network = `boi-e2e-${id}`;
    this.#effects = effects;
    this.#options = options;
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const effects = await mkdtemp(join(tmpdir(), 'boi-e2e-'));
    // Written to by the containers' users.
    await chmod(effects, 0o777);
    const cluster = new Cluster(randomBytes(4).toString('hex'), effects, options);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.keep('start').catch(() => undefined);
      await cluster.remove();
      throw error;
    }
  }

  /** Node *n*, counted from 1. */
  node(n: number): Container {
    const node = this.nodes[n - 1];
    if (node === undefined) throw new Error(`there is no node ${n}`);
    return node;
  }

  get laptop(): Container {
    if (this.#laptop === undefined) throw new Error('the cluster is not up');
    return this.#laptop;
  }

  get api(): Api {
    if (this.#api === undefined) throw new Error('the cluster is not up');
    return this.#api;
  }

  /** `boi-node …` on the laptop, to its end, whatever its exit code. */
  try(args: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    return this.laptop.exec(['boi-node', ...args], options);
  }

  /** The same; throws unless it exits 0. Answers what it said on standard output. */
  async boi(args: readonly string[], options: ExecOptions = {}): Promise<string> {
    return said(`boi-node ${args.join(' ')}`, await this.try(args, options));
  }

  /** The same with `-o json`, parsed. */
  async json<T>(args: readonly string[], options: ExecOptions = {}): Promise<T> {
    return JSON.parse(await this.boi([...args, '-o', 'json'], options)) as T;
  }

  /** Dispatches a spec and answers its id. */
  async dispatch(spec: unknown, args: readonly string[] = []): Promise<string> {
    return (
      await this.boi(['spec', 'dispatch', '-', '--format', 'json', ...args], { stdin: JSON.stringify(spec) })
    ).trim();
  }

  /** Lines of a file in the shared directory; none while there is no file. */
  async effects(file = 'effects'): Promise<string[]> {
    const text = await readFile(join(this.#effects, file), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** What etcd holds below a key, as it is. */
  async records(
    prefix: string,
  ): Promise<{ readonly key: string; readonly value: string; readonly modRevision: string }[]> {
    const member = this.etcd[0] as Container;
    const answer = said('etcdctl get', await member.exec(['etcdctl', 'get', '--prefix', prefix, '-w', 'json']));
    const { kvs = [] } = JSON.parse(answer) as { kvs?: { key: string; value?: string; mod_revision: number }[] };
    return kvs.map(({ key, value = '', mod_revision }) => ({
      key: Buffer.from(key, 'base64').toString(),
      value: Buffer.from(value, 'base64').toString(),
      modRevision: String(mod_revision),
    }));
  }

  /** Adds one more node, with a token of its own, and waits until it is ready. */
  async addNode(settings: Readonly<Record<string, string>> = {}): Promise<Container> {
    const [token = ''] = await this.#tokens(1);
    const node = await this.#nodeContainer(this.nodes.length + 1, { token, ...settings });
    (this.nodes as Container[]).push(node);
    await node.start();
    await this.ready(node);
    return node;
  }

  /** Node *n* again, on its disk, in a container of another image. The old container has stopped. */
  async replace(n: number, image: string): Promise<Container> {
    await this.node(n).remove();
    const node = await this.#nodeContainer(n, {}, image);
    (this.nodes as Container[])[n - 1] = node;
    await node.start();
    return node;
  }

  /** They are members, as the laptop sees it; before there is one, as the first of them itself does. */
  async ready(...nodes: readonly Container[]): Promise<void> {
    const names = nodes.map(({ name }) => name).join(', ');
    await until(
      `${names} ready`,
      async () => {
        for (const node of nodes) {
          const { running, exitCode } = await node.state();
          if (!running) throw new Error(`${node.name} has ended with ${exitCode}`);
        }
        const asked = this.#laptop ?? (nodes[0] as Container);
        const { stdout } = await asked.exec(['boi-node', 'node', 'list', '-o', 'json']);
        const members = JSON.parse(stdout) as NodeView[];
        return nodes.every(({ name }) => members.some((node) => node.name === name && node.state === 'ready'));
      },
      READY_WITHIN_MS,
    );
  }

  /** The container of a node id. */
  async hostOf(id: string): Promise<Container> {
    const view = (await this.json<NodeView[]>(['node', 'list'])).find((node) => node.id === id);
    const host = this.nodes.find(({ name }) => name === view?.name);
    if (host === undefined) throw new Error(`${id} is no node of this cluster`);
    return host;
  }

  /** On failure: all that was said and stored, below `.ci-out/e2e/`. */
  async keep(test: string): Promise<void> {
    const dir = join(process.cwd(), '..', '.ci-out', 'e2e', test.replaceAll(/[^\w.-]+/g, '-'));
    await rm(dir, { recursive: true, force: true });
    await mkdir(dir, { recursive: true });
    for (const container of [...this.etcd, ...this.nodes, ...(this.#laptop === undefined ? [] : [this.#laptop])]) {
      await writeFile(join(dir, `${container.name}.log`), await container.logs().catch((error) => String(error)));
    }
    const records = await this.records('/').catch(() => []);
    for (const { key, value, modRevision } of records)
      await appendFile(join(dir, 'store.txt'), `${modRevision} ${key} ${value}\n`);
  }

  async remove(): Promise<void> {
    this.#api?.close();
    await removeAll(this.id);
    await rm(this.#effects, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    await docker.createNetwork({ Name: this.#network, Labels: { [LABEL]: this.id } });
    await this.#startEtcd();
    const first = await this.#nodeContainer(1, {});
    (this.nodes as Container[]).push(first);
    said('cluster init', await this.#once('node-1', ['cluster', 'init', ...flags(this.#address(1))]));
    await first.start();
    await this.ready(first);
    const laptop = await this.#create('laptop', {
      Image: IMAGE,
      Entrypoint: ['tini', '--', 'sleep', 'infinity'],
      // No daemon runs there.
      Healthcheck: { Test: ['NONE'] },
    });
    await laptop.start();
    await this.#login(first, laptop);
    this.#laptop = laptop;
    const tokens = await this.#tokens((this.#options.nodes ?? 3) - 1);
    const others = await Promise.all(tokens.map((token, i) => this.#nodeContainer(i + 2, { token })));
    (this.nodes as Container[]).push(...others);
    await Promise.all(others.map((node) => node.start()));
    if (others.length > 0) await this.ready(...others);
  }

  async #tokens(count: number): Promise<string[]> {
    const make = `for i in $(seq ${count}); do boi-node token create --ttl 10m || exit; done`;
    return said('token create', await this.laptop.exec(['sh', '-c', make]))
      .split('\n')
      .filter(Boolean);
  }

  async #startEtcd(): Promise<void> {
    const count = this.#options.etcd ?? 1;
    const names = Array.from({ length: count }, (_, i) => `etcd-${i + 1}`);
    const peers = names.map((name) => `${name}=http://${name}:2380`).join(',');
    for (const name of names) {
      const member = await this.#create(name, {
        Image: 'boi-etcd',
        Cmd: [
          ...['--name', name, '--initial-cluster', peers, '--initial-cluster-state', 'new'],
          ...['--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', `http://${name}:2379`],
          ...['--listen-peer-urls', 'http://0.0.0.0:2380', '--initial-advertise-peer-urls', `http://${name}:2380`],
        ],
        HostConfig: { Mounts: [this.#volume(name, '/var/lib/etcd')] },
      });
      (this.etcd as Container[]).push(member);
    }
    await Promise.all(this.etcd.map((member) => member.start()));
    await until('etcd answers', async () => {
      return (await (this.etcd[0] as Container).exec(['etcdctl', 'endpoint', 'health'])).code === 0;
    });
  }

  /** A user of its own for the laptop: what a developer has. */
  async #login(admin: Container, laptop: Container): Promise<void> {
    const bundle = `${DATA}/laptop.json`;
    said('user create', await admin.exec(['boi-node', 'user', 'create', 'laptop', '--role', 'admin', '--out', bundle]));
    const text = said('cat', await admin.exec(['cat', bundle]));
    this.#api = new Api(JSON.parse(text) as Credentials);
    said('context add', await laptop.exec(['sh', '-c', `umask 077; cat > ${DATA}/bundle.json`], { stdin: text }));
    // Any of the nodes will do.
    const urls = Array.from({ length: this.#options.nodes ?? 3 }, (_, i) => `https://node-${i + 1}:${API_PORT}`);
    const args = ['context', 'add', 'lab', ...urls, '--bundle', `${DATA}/bundle.json`];
    said('context add', await laptop.exec(['boi-node', ...args]));
  }

  /** Where a node is, and where its store: what `cluster init` wants to know too. */
  #address(n: number): Record<string, string> {
    const name = `node-${n}`;
    return {
      'data-dir': DATA,
      name,
      listen: `0.0.0.0:${API_PORT}`,
      advertise: `https://${name}:${API_PORT}`,
      ...(n === 1 ? { etcd: this.etcd.map((member) => `http://${member.name}:2379`).join(',') } : {}),
    };
  }

  async #nodeContainer(n: number, extra: Readonly<Record<string, string>>, image = IMAGE): Promise<Container> {
    const name = `node-${n}`;
    const settings = {
      slots: '2',
      label: `at=${name}`,
      'session-ttl': `${SESSION_TTL_S}s`,
      'shutdown-drain': '1s',
      ...this.#address(n),
      ...this.#options.settings,
      ...this.#options.settingsOf?.(n),
      ...extra,
    };
    return this.#create(name, {
      Image: image,
      Cmd: ['join', ...flags(settings)],
      HostConfig: {
        Mounts: [this.#volume(name, DATA), { Type: 'bind', Source: this.#effects, Target: EFFECTS }],
      },
    });
  }

  /** A command with the disk of a node that does not run. */
  async #once(name: string, args: readonly string[]): Promise<Outcome> {
    const container = await this.#create(`${name}-once`, {
      Image: IMAGE,
      Cmd: [...args],
      Hostname: name,
      HostConfig: { Mounts: [this.#volume(name, DATA)] },
    });
    await container.start();
    const code = await container.ended();
    return { code, stdout: await container.logs(), stderr: '' };
  }

  #volume(name: string, target: string) {
    return {
      Type: 'volume' as const,
      Source: `boi-e2e-${this.id}-${name}`,
      Target: target,
      VolumeOptions: { NoCopy: false, Labels: { [LABEL]: this.id }, DriverConfig: { Name: 'local', Options: {} } },
    };
  }

  async #create(name: string, options: Record<string, unknown>): Promise<Container> {
    const container = await docker.createContainer({
      name: `boi-e2e-${this.id}-${name}`,
      Hostname: name,
      Labels: { [LABEL]: this.id },
      ...options,
      HostConfig: { NetworkMode: this.#network, ...(options.HostConfig as object | undefined) },
      NetworkingConfig: { EndpointsConfig: { [this.#network]: { Aliases: [name] } } },
    } as never);
    return new Container(name, container, this.#network);
  }
}

function flags(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

function said(what: string, { code, stdout, stderr }: Outcome): string {
  if (code !== 0) throw new Error(`${what} exits ${code}\n${stdout.slice(-2_000)}\n${stderr.slice(-4_000)}`);
  return stdout;
}

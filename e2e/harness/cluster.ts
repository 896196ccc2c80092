/**
 * A cluster as an operator would set it up, each host a container with a disk (volume) of its own on a network that this test
 * alone uses: etcd of one or three members, nodes that joined with tokens, and a laptop with a user's credentials. What a
 * test asks is asked of the public API, through the command on the laptop; what it must know of records, of etcd itself.
 *
 * `effects` is a directory on every node's disk, shared between them: tasks append lines to files there, which witness what ran,
 * whatever the records say.
 */
import { randomBytes } from 'node:crypto';
import { appendFile, chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NEWEST, raiseTo } from './aged.ts';
import { Api, type Credentials } from './api.ts';
import { Container, type ExecOptions, type Outcome } from './container.ts';
import { docker, ENGINE_MOUNT, engineGroup, LABEL, removeAll } from './engine.ts';
import type { NodeView } from './spec.ts';
import { makeCertificates, TLS } from './store-tls.ts';
import { until } from './until.ts';

export interface ClusterOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** Members of etcd, 1 or 3. Default 1. */
  readonly etcd?: 1 | 3;
  /** The store takes TLS only, and asks for a certificate. Default false. */
  readonly tls?: boolean;
  /** What the store of one member has counted to before there is a cluster. Default: nothing, it is new. */
  readonly revision?: bigint;
  /** Whether node *n*, counted from 1, may use the engine that all of this runs on. Default: none may. */
  readonly engineOf?: (n: number) => boolean;
  /** Settings of every node, flags without their dashes. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Settings of node *n*, counted from 1. */
  readonly settingsOf?: (n: number) => Readonly<Record<string, string>>;
}

/** The shortest that the settings allow: what waits for a lease is the slowest part of most tests. */
export const SESSION_TTL_S = 3;

/** What the nodes run; a mutation twin names another one. */
export const IMAGE = process.env.BOI_E2E_IMAGE ?? 'boi-node';
const READY_WITHIN_MS = 180_000;
const DATA = '/var/lib/boi-node';
const EFFECTS = '/effects';
const API_PORT = 7440;

/** A record as etcd has it; revisions and lease are decimal, exact. */
export interface StoredRecord {
  readonly key: string;
  readonly value: string;
  readonly modRevision: string;
  readonly createRevision: string;
  readonly lease?: string;
}

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

  /** The network of its hosts. */
  get network(): string {
    return this.#network;
  }

  /** Where the engine has what every node sees as `/effects`. */
  get shared(): string {
    return this.#effects;
  }

  /** Where the engine has the disk of node *n*. */
  async diskOf(n: number): Promise<string> {
    return (await docker.getVolume(`boi-e2e-${this.id}-${this.node(n).name}`).inspect()).Mountpoint;
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

  /** A file of this host, for all nodes: its path there. */
  async share(name: string, from: string): Promise<string> {
    await copyFile(from, join(this.#effects, name));
    return `${EFFECTS}/${name}`;
  }

  /** An empty folder for all nodes: where it is on this host, and where it is there. */
  async folder(name: string): Promise<{ readonly here: string; readonly there: string }> {
    const here = join(this.#effects, name);
    await mkdir(here);
    return { here, there: `${EFFECTS}/${name}` };
  }

  /** Writes a file into the shared directory; whoever reads it meanwhile sees the old one or the new one. */
  async say(name: string, text: string): Promise<void> {
    const path = join(this.#effects, name);
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }

  /** What etcd holds below a key, as it is. */
  async records(prefix: string): Promise<StoredRecord[]> {
    const member = this.etcd[0] as Container;
    const answer = said('etcdctl get', await member.exec(['etcdctl', 'get', '--prefix', prefix, '-w', 'json']));
    // They may be beyond what a number holds.
    const exact = answer.replaceAll(/"(\w+_revision|lease)":(\d+)/g, '"$1":"$2"');
    const { kvs = [] } = JSON.parse(exact) as { kvs?: Record<string, string>[] };
    return kvs.map(({ key = '', value = '', mod_revision = '', create_revision = '', lease }) => ({
      key: Buffer.from(key, 'base64').toString(),
      value: Buffer.from(value, 'base64').toString(),
      modRevision: mod_revision,
      createRevision: create_revision,
      ...(lease === undefined ? {} : { lease }),
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

  /** Node *n* again, on its disk, in a container of another image or with other settings. The old container has stopped. */
  async replace(
    n: number,
    { image = IMAGE, settings = {} }: { image?: string; settings?: Readonly<Record<string, string>> },
  ): Promise<Container> {
    await this.node(n).remove();
    const node = await this.#nodeContainer(n, settings, image);
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
    if (this.#options.tls === true) await makeCertificates(join(this.#effects, 'tls'));
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
    const { etcd: count = 1, tls = false } = this.#options;
    const names = Array.from({ length: count }, (_, i) => `etcd-${i + 1}`);
    const peers = names.map((name) => `${name}=http://${name}:2380`).join(',');
    for (const name of names) {
      const member = await this.#create(name, {
        Image: 'boi-etcd',
        Cmd: [
          ...['--name', name, '--initial-cluster', peers, '--initial-cluster-state', 'new'],
          ...['--listen-client-urls', this.#url('0.0.0.0'), '--advertise-client-urls', this.#url(name)],
          ...(tls ? TLS.etcd : []),
          ...['--listen-peer-urls', 'http://0.0.0.0:2380', '--initial-advertise-peer-urls', `http://${name}:2380`],
        ],
        ...(tls ? { Env: TLS.etcdctl } : {}),
        HostConfig: { Mounts: [this.#volume(name, '/var/lib/etcd'), this.#shared()] },
      });
      (this.etcd as Container[]).push(member);
    }
    await Promise.all(this.etcd.map((member) => member.start()));
    await this.#etcdAnswers();
    if (this.#options.revision !== undefined) await this.#raise(this.#options.revision);
  }

  async #etcdAnswers(): Promise<void> {
    await until('etcd answers', async () => {
      return (await (this.etcd[0] as Container).exec(['etcdctl', 'endpoint', 'health'])).code === 0;
    });
  }

  async #raise(revision: bigint): Promise<void> {
    const member = this.etcd[0] as Container;
    said('etcdctl put', await member.exec(['etcdctl', 'put', NEWEST, 'x']));
    await member.stop();
    const raising = await this.#create(`${member.name}-once`, {
      Image: 'boi-etcd',
      Entrypoint: raiseTo(revision),
      Cmd: [],
      Healthcheck: { Test: ['NONE'] },
      HostConfig: { Mounts: [this.#volume(member.name, '/var/lib/etcd')] },
    });
    await raising.start();
    if ((await raising.ended()) !== 0) throw new Error(await raising.logs());
    await member.start();
    await this.#etcdAnswers();
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
      ...(n === 1 ? { etcd: this.etcd.map(({ name }) => this.#url(name)).join(',') } : {}),
      ...(this.#options.tls === true ? TLS.node : {}),
    };
  }

  #url(host: string): string {
    return `${this.#options.tls === true ? 'https' : 'http'}://${host}:2379`;
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
    const usesEngine = this.#options.engineOf?.(n) === true;
    return this.#create(name, {
      Image: image,
      Cmd: ['join', ...flags(settings)],
      HostConfig: {
        Mounts: [this.#volume(name, DATA), this.#shared(), ...(usesEngine ? [ENGINE_MOUNT] : [])],
        ...(usesEngine ? { GroupAdd: [await engineGroup()] } : {}),
      },
    });
  }

  /** A command with the disk of a node that does not run. */
  async #once(name: string, args: readonly string[]): Promise<Outcome> {
    const container = await this.#create(`${name}-once`, {
      Image: IMAGE,
      Cmd: [...args],
      Hostname: name,
      HostConfig: { Mounts: [this.#volume(name, DATA), this.#shared()] },
    });
    await container.start();
    const code = await container.ended();
    return { code, stdout: await container.logs(), stderr: '' };
  }

  #shared() {
    return { Type: 'bind' as const, Source: this.#effects, Target: EFFECTS };
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

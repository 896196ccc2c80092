/**
 * As much of the Docker HTTP API as the plugins use, on a Unix socket, for what a real engine cannot be made to do at a given moment:
 * to be away, to end the reading of a log, to lack an image, to have a container that nobody started. Everything else is tried on
 * a real one, by the container suite.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const NEVER = '0001-01-01T00:00:00Z';

interface State {
  Status: string;
  ExitCode: number;
  Error: string;
  OOMKilled: boolean;
  StartedAt: string;
  FinishedAt: string;
}

export interface FakeContainer {
  readonly name: string;
  readonly config: { readonly Image: string; readonly Labels: Readonly<Record<string, string>> };
  readonly state: State;
  /** Framed as the engine does, and how far a reading gets before it is ended; undefined: to the end. */
  log: Buffer;
  readsBytesMax: number | undefined;
  /** What was put into its disk. */
  readonly archives: Buffer[];
}

/** Status, and what is said with it: JSON or bytes. */
type Answer = readonly [status: number, value?: object];

export class FakeEngine {
  readonly socket: string;
  readonly containers = new Map<string, FakeContainer>();
  readonly images = new Set<string>();
  /** Taken for containers that are not there yet. */
  readonly names = new Set<string>();
  /** Can be pulled. */
  readonly registry = new Set<string>();
  /** `METHOD /path`, in order. */
  readonly calls: string[] = [];
  readonly #directory: string;
  #server: Server | undefined;
  /** To events. */
  readonly #listeners = new Set<ServerResponse>();

  private constructor(directory: string) {
    this.#directory = directory;
    this.socket = join(directory, 'engine.sock');
  }

  static async start(...images: string[]): Promise<FakeEngine> {
    const engine = new FakeEngine(await mkdtemp(join(tmpdir(), 'boi-fake-engine-')));
    for (const image of images) engine.images.add(image);
    await engine.resume();
    return engine;
  }

  /** Goes away, and keeps what it has. */
  async pause(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  async resume(): Promise<void> {
    this.#server = createServer((request, answer) => void this.#serve(request, answer));
    this.#server.listen(this.socket);
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    await this.pause();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** As if the program of the container had ended so. */
  end(name: string, exitCode: number): void {
    const container = this.containers.get(name);
    if (container?.state.Status !== 'running') return;
    Object.assign(container.state, { Status: 'exited', ExitCode: exitCode, FinishedAt: new Date().toISOString() });
    const event = {
      Action: 'die',
      Actor: { Attributes: { ...container.config.Labels, name, exitCode: `${exitCode}` } },
    };
    for (const listener of this.#listeners) listener.write(`${JSON.stringify(event)}\n`);
  }

  started(): string[] {
    return this.calls.flatMap((call) => /^POST \/containers\/(.+)\/start$/.exec(call)?.[1] ?? []);
  }

  async #serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://engine');
    const call = `${request.method} ${pathname}`;
    this.calls.push(call);
    if (call === 'GET /events') {
      this.#listeners.add(answer);
      answer.once('close', () => this.#listeners.delete(answer)).writeHead(200);
      answer.flushHeaders();
      return;
    }
    const [status, value] = this.#answer(call, searchParams, Buffer.concat(parts));
    if (Buffer.isBuffer(value)) answer.writeHead(status).end(value);
    else answer.writeHead(status, { 'content-type': 'application/json' }).end(value && JSON.stringify(value));
  }

  #answer(call: string, query: URLSearchParams, body: Buffer): Answer {
    if (call === 'GET /containers/json') return [200, this.#list(query.get('filters') ?? '{}')];
    if (call === 'POST /containers/create') return this.#create(query.get('name') ?? '', JSON.parse(body.toString()));
    if (call === 'POST /images/create') return this.#pull(query.get('fromImage') ?? '');
    const [, , name = '', verb = ''] = call.split('/');
    const container = this.containers.get(name);
    if (container === undefined) return [404, { message: `No such container: ${name}` }];
    switch (verb) {
      case 'json':
        return [200, { Id: name, Name: `/${name}`, State: container.state }];
      case 'start':
        if (container.state.Status === 'running') return [304];
        Object.assign(container.state, { Status: 'running', StartedAt: new Date().toISOString() });
        return [204];
      case 'archive':
        container.archives.push(body);
        return [200];
      case 'logs':
        return [200, container.log.subarray(0, container.readsBytesMax)];
      case 'stop':
      case 'kill':
        this.end(name, 137);
        return [204];
      default:
        this.containers.delete(name);
        return [204];
    }
  }

  #pull(image: string): Answer {
    if (!this.registry.has(image)) return [500, { message: `manifest for ${image} not found` }];
    this.images.add(image);
    return [200, { status: 'Downloaded' }];
  }

  #create(name: string, config: FakeContainer['config']): Answer {
    if (!this.images.has(config.Image)) return [404, { message: `No such image: ${config.Image}` }];
    if (this.containers.has(name) || this.names.has(name)) return [409, { message: `the name ${name} is in use` }];
    const never = { StartedAt: NEVER, FinishedAt: NEVER };
    const state = { Status: 'created', ExitCode: 0, Error: '', OOMKilled: false, ...never };
    const log = Buffer.alloc(0);
    this.containers.set(name, { name, config, state, log, readsBytesMax: undefined, archives: [] });
    return [201, { Id: name, Warnings: [] }];
  }

  #list(filters: string): object[] {
    const { label = [] } = JSON.parse(filters) as { label?: string[] };
    const has = ({ config }: FakeContainer) =>
      label.every((one) => {
        const [key = '', value] = one.split('=');
        const own = config.Labels[key];
        return own !== undefined && (value === undefined || own === value);
      });
    return [...this.containers.values()].filter(has).map(({ name, config, state }) => ({
      Id: name,
      Names: [`/${name}`],
      Labels: config.Labels,
      State: state.Status,
    }));
  }
}

/**
 * The routes about plugins, for this node's own and, relayed, for those of any other node: whoever reaches one node reaches the
 * plugins of all. What the API tells of a plugin is what its supervisor knows and what it said in its handshake.
 */
import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import type { ClusterApi } from '@boi/cluster';
import { BoiError, type NodeId, PluginLogQuery, type PluginView } from '@boi/core';
import type { PluginSupervisor } from '@boi/plugin-host';
import { Type } from 'typebox';
import type { Call, Handlers, InternalRoute } from '../http/server.ts';
import { type Peer, postToPeer } from '../identity/peer-call.ts';
import type { TlsOf } from '../remote-logs.ts';
import { noPlugin, type PluginHouse } from './house.ts';

export interface PluginDeskDeps {
  readonly api: Pick<ClusterApi, 'node'>;
  readonly self: NodeId;
  readonly house: Pick<PluginHouse, 'all' | 'find' | 'logOf'>;
  readonly tlsOf: TlsOf;
}

type PluginHandlers = Pick<Handlers, 'plugin.list' | 'plugin.show' | 'plugin.restart' | 'plugin.log'>;

/** The node that is asked, also while the store is away. */
const LOCAL = 'local';
/** Until a plugin has stopped: TERM, 5 s, KILL; and until the store has been told. */
const RESTART_TIMEOUT_MS = 20_000;
const FIRST_BYTE_MS = 5_000;
const TAIL_BYTES = 65_536;
const none = Type.Object({}, { additionalProperties: false });

export class PluginDesk {
  readonly #deps: PluginDeskDeps;

  constructor(deps: PluginDeskDeps) {
    this.#deps = deps;
  }

  get handlers(): PluginHandlers {
    const { tlsOf } = this.#deps;
    const ask = async <A>(peer: Peer, path: string, timeoutMs?: number) =>
      postToPeer<A>(peer, path, {}, { tls: tlsOf(peer), ...(timeoutMs === undefined ? {} : { timeoutMs }) });
    return {
      'plugin.list': async ({ params }) => {
        const peer = await this.#peer(params.nod as string);
        return peer === undefined ? this.#list() : ask(peer, '/internal/plugins');
      },
      'plugin.show': async ({ params }) => {
        const peer = await this.#peer(params.nod as string);
        const name = params.plg as string;
        return peer === undefined ? this.#view(name) : ask(peer, `/internal/plugins/${encodeURIComponent(name)}`);
      },
      'plugin.restart': async ({ params }) => {
        const peer = await this.#peer(params.nod as string);
        const name = params.plg as string;
        const path = `/internal/plugins/${encodeURIComponent(name)}/restart`;
        return peer === undefined ? this.#restart(name) : ask(peer, path, RESTART_TIMEOUT_MS);
      },
      'plugin.log': async (call) => {
        const peer = await this.#peer(call.params.nod as string);
        await (peer === undefined ? this.#stream(call) : this.#relay(peer, call));
        return undefined;
      },
    };
  }

  /** What other nodes ask this one for. */
  get routes(): InternalRoute[] {
    const own = (path: string, handler: (name: string) => Promise<unknown> | unknown): InternalRoute => ({
      method: 'POST',
      path,
      body: none,
      handler: async ({ params }) => handler(params.plg as string),
    });
    return [
      own('/internal/plugins', () => this.#list()),
      own('/internal/plugins/:plg', (name) => this.#view(name)),
      own('/internal/plugins/:plg/restart', (name) => this.#restart(name)),
      {
        method: 'GET',
        path: '/internal/plugins/:plg/log',
        querystring: PluginLogQuery,
        handler: async (call) => {
          await this.#stream(call);
          return undefined;
        },
      },
    ];
  }

  #list(): { readonly items: readonly PluginView[] } {
    return { items: this.#deps.house.all.map((supervisor) => pluginView(this.#deps.self, supervisor)) };
  }

  #find(name: string): PluginSupervisor {
    const { house } = this.#deps;
    const found = house.find(name);
    if (found === undefined) {
      throw noPlugin(
        name,
        house.all.map(({ config }) => config.name),
      );
    }
    return found;
  }

  #view(name: string): PluginView {
    return pluginView(this.#deps.self, this.#find(name));
  }

  async #restart(name: string): Promise<PluginView> {
    await this.#find(name).restart();
    return this.#view(name);
  }

  /** Undefined: this node itself. */
  async #peer(nod: string): Promise<Peer | undefined> {
    const { api, self } = this.#deps;
    if (nod === LOCAL || nod === self) return undefined;
    const { id, address } = await api.node(nod);
    if (id === self) return undefined;
    if (address === undefined) throw new BoiError('holder-unreachable', `${id} has no live session`);
    return { id: id as NodeId, address };
  }

  async #stream({ params, query, reply, signal }: Call): Promise<void> {
    const { tailBytes = TAIL_BYTES, follow = false } = query as PluginLogQuery;
    const log = this.#deps.house.logOf(params.plg as string);
    const chunks = log.read({ tailBytes, follow, signal });
    begin(reply);
    await pipeline(chunks, reply.raw).catch(() => undefined);
  }

  async #relay(peer: Peer, { params, query, reply, signal }: Call): Promise<void> {
    const url = new URL(`/internal/plugins/${encodeURIComponent(params.plg as string)}/log`, peer.address);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, String(value));
    const response = await this.#open(peer, url, signal);
    if (response.statusCode !== 200) throw await refusal(response);
    begin(reply);
    await pipeline(response, reply.raw).catch(() => undefined);
  }

  #open(peer: Peer, url: URL, signal: AbortSignal): Promise<http.IncomingMessage> {
    const tls = this.#deps.tlsOf(peer);
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(new BoiError('holder-unreachable', `${peer.id} at ${peer.address}: ${cause.message}`, { cause }));
      const request = (tls === undefined ? http : https).get(url, { ...tls, signal }, (response) => {
        request.setTimeout(0);
        // A plugin may say nothing for hours; whether its node is there the kernels find out.
        response.socket.setKeepAlive(true, FIRST_BYTE_MS);
        resolve(response);
      });
      request.setTimeout(FIRST_BYTE_MS, () => request.destroy(new Error(`no answer within ${FIRST_BYTE_MS} ms`)));
      request.on('error', fail);
    });
  }
}

function begin(reply: Call['reply']): void {
  reply.hijack();
  reply.raw.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
  reply.raw.flushHeaders();
}

async function refusal(response: http.IncomingMessage): Promise<BoiError> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  try {
    const { code, detail } = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { code: string; detail: string };
    return new BoiError(code === 'not-found' ? 'not-found' : 'holder-unreachable', detail);
  } catch {
    return new BoiError('holder-unreachable', `answered ${response.statusCode}`);
  }
}

export function pluginView(node: NodeId, { config, status, introduced }: PluginSupervisor): PluginView {
  const { state, since, crashes, pid, error } = status;
  const events = config.events ?? introduced?.hooks?.kinds;
  return {
    id: `${node}/${config.name}`,
    node,
    name: config.name,
    kind: config.kind,
    state,
    since,
    crashes,
    ...(pid === undefined ? {} : { pid }),
    ...(error === undefined ? {} : { error: error.message, reason: error.reason }),
    command: [config.command, ...(config.args ?? [])],
    ...(introduced === undefined
      ? {}
      : {
          program: introduced.name,
          version: introduced.version,
          minor: introduced.minor,
          capabilities: [...introduced.capabilities],
        }),
    ...(config.kind === 'hooks' ? { tier: config.tier ?? 'best_effort' } : {}),
    ...(events === undefined ? {} : { events: [...events] }),
  };
}

/** A cluster with identities for tests: a real etcd, `cluster init` and nodes that join by tokens, in this process, on loopback. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiClient } from '@boi/client';
import type { RouteBody, UserRole } from '@boi/core';
import { createKey, createSigningRequest, IdentityFiles } from '@boi/identity';
import { EtcdStore, prefixEnd } from '@boi/store';
import { type EtcdServer, startEtcd } from '@boi/store/testing';
import { createLogger, systemClock, systemRandom } from '@boi/system';
import { resolveDaemonConfig } from '../config.ts';
import type { Daemon } from '../daemon.ts';
import { initCluster } from '../identity/init-cluster.ts';
import { startNode } from '../join.ts';

export interface Credential {
  readonly ca?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly secret?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: { readonly [field: string]: unknown };
}

export interface AskOptions {
  /** Default: the first. */
  readonly daemon?: Daemon;
  readonly headers?: Record<string, string>;
  /** The body is not waited for: streams never end. */
  readonly headOnly?: boolean;
}

const PREFIX = '/boi/';
/** What nodes write without being asked: their load, and specs that have ended put away. */
const OF_THEIR_OWN = ['load/', 'specs/', 'specbody/', 'results/', 'archive/', 'coord/', 'queue/'];
const KEYS_MAX = 1_000;

export class SecureRig {
  readonly dir: string;
  readonly etcd: EtcdServer;
  readonly daemons: Daemon[] = [];
  readonly #log: NodeJS.WritableStream | undefined;
  readonly #clients: BoiClient[] = [];
  readonly #store: EtcdStore;

  private constructor(dir: string, etcd: EtcdServer, log: NodeJS.WritableStream | undefined) {
    this.dir = dir;
    this.etcd = etcd;
    this.#log = log;
    this.#store = new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: systemRandom });
  }

  /** With one node, an admin, that is running. */
  static async start(options: { readonly log?: NodeJS.WritableStream } = {}): Promise<SecureRig> {
    const dir = await mkdtemp(join(tmpdir(), 'boi-secure-'));
    const rig = new SecureRig(dir, await startEtcd(), options.log);
    await initCluster(rig.config('first'), rig.logger());
    await rig.join('first');
    return rig;
  }

  logger() {
    return this.#log === undefined
      ? createLogger({ name: 'test', level: 'silent' })
      : createLogger({ name: 'test', level: 'debug', destination: this.#log as never });
  }

  config(name: string, more: Readonly<Record<string, string>> = {}) {
    const flags = {
      name,
      etcd: this.etcd.endpoint,
      'data-dir': join(this.dir, name),
      listen: '127.0.0.1:0',
      insecure: 'false',
      slots: '2',
      'session-ttl': '5s',
      ...more,
    };
    return resolveDaemonConfig({ flags, env: {} }).config;
  }

  /** A node of this name; it has joined before, or has a token. */
  async join(name: string, token?: string, more: Readonly<Record<string, string>> = {}): Promise<Daemon> {
    await mkdir(join(this.dir, name), { recursive: true });
    const config = this.config(name, { ...more, ...(token === undefined ? {} : { token }) });
    const daemon = await startNode(config, this.logger());
    this.daemons.push(daemon);
    return daemon;
  }

  async leave(daemon: Daemon): Promise<void> {
    this.daemons.splice(this.daemons.indexOf(daemon), 1);
    await daemon.stop({ drainMs: 0 });
  }

  async token(body: RouteBody<'token.create'> = {}): Promise<string> {
    return (await (await this.admin()).call('token.create', { body })).token;
  }

  files(name: string): IdentityFiles {
    return new IdentityFiles(join(this.dir, name));
  }

  /** What a node of this data directory shows. */
  async nodeCredential(name: string): Promise<Credential> {
    const found = await this.files(name).credentials();
    if (found === undefined) throw new Error(`${name} has no credentials`);
    return { ca: found.trust, certificate: found.certificate, key: found.key };
  }

  /** A client with the credentials of the first node, which is an admin. */
  async admin(): Promise<BoiClient> {
    return this.client(await this.nodeCredential('first'));
  }

  client({ ca, certificate, key, secret }: Credential, daemon = this.daemons[0] as Daemon): BoiClient {
    const client = new BoiClient({
      endpoints: [daemon.address],
      credentials: { ca, certificate, key, bearer: secret },
      retryForMs: 0,
    });
    this.#clients.push(client);
    return client;
  }

  async user(name: string, role: UserRole, more: { project?: string; secret?: boolean } = {}) {
    const key = await createKey();
    const csr = more.secret === true ? {} : { csr: await createSigningRequest(key) };
    const project = more.project === undefined ? {} : { project: more.project };
    const made = await (await this.admin()).call('user.create', { body: { name, role, ...project, ...csr } });
    const { certificate, secret } = made;
    const credential: Credential = {
      ca: made.ca,
      ...(certificate === undefined ? {} : { certificate, key }),
      ...(secret === undefined ? {} : { secret }),
    };
    return { id: made.user.id, credential };
  }

  async ask(
    credential: Credential,
    method: string,
    path: string,
    body?: string,
    options: AskOptions = {},
  ): Promise<Answer> {
    const { ca = (await this.nodeCredential('first')).ca, certificate, key, secret } = credential;
    return new Promise((resolve, reject) => {
      const request = https.request(
        new URL(path, (options.daemon ?? (this.daemons[0] as Daemon)).address),
        {
          method,
          agent: false,
          ca,
          ...(certificate === undefined ? {} : { cert: certificate, key }),
          headers: {
            ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
            ...options.headers,
          },
        },
        (response) => {
          if (options.headOnly === true) {
            response.destroy();
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: {} });
            return;
          }
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            const json = /json/.test(String(response.headers['content-type'])) && text !== '';
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: (json ? JSON.parse(text.split('\n')[0] as string) : { text }) as Answer['body'],
            });
          });
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** Which revision wrote each key, but for what nodes write of their own accord. */
  async written(): Promise<readonly string[]> {
    const { kvs, more } = await this.#store.range({ start: PREFIX, end: prefixEnd(PREFIX), limit: KEYS_MAX });
    if (more) throw new Error(`more than ${KEYS_MAX} keys`);
    return kvs
      .filter(({ key }) => !OF_THEIR_OWN.some((kind) => key.startsWith(PREFIX + kind)))
      .map(({ key, modRevision }) => `${key} ${modRevision}`);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.splice(0)) client.close();
    await Promise.all(this.daemons.splice(0).map((daemon) => daemon.stop({ drainMs: 0 })));
    await this.#store.close();
    await this.etcd.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

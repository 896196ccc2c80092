/**
 * What a running command works with: its settings, its output, and the client of the chosen cluster, made when it is first
 * asked for. One per command.
 */
import { dirname, isAbsolute } from 'node:path';
import { BoiClient, type Credentials, followSpec, parseEndpoint, readLog } from '@boi/client';
import { BoiError } from '@boi/core/errors';
import { didYouMean } from '@boi/core/spec/suggest';
import type { FlagValue } from './args.ts';
import { type ConfigFile, configPath, readConfig } from './config-file.ts';
import { readCredentials } from './credential-file.ts';
import { type Io, write } from './io.ts';
import { colourOf, type Paint, painter } from './output/paint.ts';
import { forTerminal } from './output/width.ts';
import { resolveSettings, type Setting, type SettingName } from './settings.ts';

export type Format = 'table' | 'wide' | 'json' | 'yaml' | 'name';

export interface Target {
  readonly endpoints: readonly string[];
  /** Absent when the endpoints were given themselves. */
  readonly context?: string;
}

/** Who the user was to the nodes that were asked. */
export interface Shown {
  /** Whose credentials. */
  readonly context: string;
  readonly credentials: Credentials;
  /** The file is the context's own: no node keeps it current. */
  readonly own: boolean;
}

export class Session {
  readonly io: Io;
  #config: ConfigFile;
  readonly settings: ReadonlyMap<SettingName, Setting>;
  /** Paints for standard output and standard error; they differ, as either may be a terminal. */
  readonly out: Paint;
  readonly err: Paint;
  readonly #warned = new Set<string>();
  #client: BoiClient | undefined;
  #shown: Shown | undefined;
  #project: string | undefined;

  private constructor(io: Io, config: ConfigFile, settings: ReadonlyMap<SettingName, Setting>) {
    this.io = io;
    this.#config = config;
    this.settings = settings;
    const choice = this.#text('color') ?? 'auto';
    this.out = painter(colourOf(choice, io.stdout, io.env));
    this.err = painter(colourOf(choice, io.stderr, io.env));
  }

  static async open(io: Io, flags: ReadonlyMap<string, FlagValue>): Promise<Session> {
    const config = await readConfig(io.env);
    const file = { path: configPath(io.env), values: config.settings };
    return new Session(io, config, resolveSettings({ flags, env: io.env, file }));
  }

  get config(): ConfigFile {
    return this.#config;
  }

  /** Undefined: no request needed credentials, or there were none. */
  get shown(): Shown | undefined {
    return this.#shown;
  }

  /** From here on: the configuration as it was read again under its lock. Requests before it go with the old credentials. */
  useConfig(config: ConfigFile): void {
    this.#config = config;
    this.#client?.close();
    this.#client = undefined;
  }

  get format(): Format {
    return (this.#text('format') ?? 'table') as Format;
  }

  /** Whether standard error may be animated. */
  get animated(): boolean {
    return this.io.stderr.isTTY === true && this.err.coloured;
  }

  get project(): string {
    return this.#project ?? this.#text('project') ?? this.#context()?.project ?? 'default';
  }

  /** Whether the project was chosen for this command alone, which outranks what a spec file says. */
  get projectAsked(): boolean {
    const source = this.settings.get('project')?.source;
    return source === 'flag' || source === 'environment';
  }

  /** From here on, of this command: where the spec went, as the cluster answered. */
  useProject(project: string): void {
    this.#project = project;
  }

  /** Where the cluster is. Throws `config-invalid` when nothing says. */
  target(): Target {
    const given = this.#text('endpoints');
    const context = this.settings.get('context');
    const named = context?.source === 'flag' || context?.source === 'environment';
    // The nearer of the two wins; on the same level a list of addresses is the more exact.
    if (given !== undefined && !(named && this.settings.get('endpoints')?.source === 'file')) {
      return { endpoints: given.split(',').map((e) => e.trim()) };
    }
    const name = this.contextName;
    const chosen = this.#context();
    if (name !== undefined && chosen === undefined) {
      const names = Object.keys(this.config.contexts);
      throw new BoiError(
        'config-invalid',
        `there is no context "${name}"${didYouMean(name, names)}; see \`boi-node context list\``,
      );
    }
    if (name === undefined || chosen === undefined) {
      const known = Object.keys(this.config.contexts);
      const next =
        known.length === 0
          ? 'start one here with `boi-node dev`, or name one with `boi-node context add NAME --bundle FILE`'
          : `\`boi-node context use NAME\` chooses one of ${known.join(', ')}`;
      throw new BoiError('config-invalid', `no cluster is chosen: ${next}`);
    }
    return { endpoints: chosen.endpoints, context: name };
  }

  get contextName(): string | undefined {
    return this.#text('context') ?? this.config.current;
  }

  get client(): BoiClient {
    this.#client ??= this.connect(this.target().endpoints);
    return this.#client;
  }

  connect(endpoints: readonly string[]): BoiClient {
    const timeoutMs = this.settings.get('request-timeout')?.value;
    return new BoiClient({
      endpoints: endpoints.map((e) => parseEndpoint(e).origin),
      credentials: () => this.#credentials(),
      ...(typeof timeoutMs === 'number' ? { timeoutMs } : {}),
      onNotice: (text) => this.warn(text),
    });
  }

  followSpec(spec: string, options: { readonly tasks?: boolean; readonly signal?: AbortSignal }) {
    return followSpec(this.client, { project: this.project, spec, ...options });
  }

  readLog(task: string, options: Omit<Parameters<typeof readLog>[1], 'project' | 'task'>) {
    return readLog(this.client, { project: this.project, task, ...options });
  }

  /** A line for a person, on standard error. Colours stay; whatever else a terminal would obey goes. */
  note(text: string): void {
    this.io.stderr.write(`${forTerminal(text)}\n`);
  }

  /** A warning for a person, on standard error; the same one once. */
  warn(text: string): void {
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.note(`${this.err.yellow('WARN')} ${text}`);
  }

  /** For an answer that comes from a node's memory. */
  warnStale(ageMs: number | undefined): void {
    if (ageMs === undefined) return;
    const seconds = Math.round(ageMs / 1000);
    this.warn(`stale: the node cannot reach the store; this is what it knew ${seconds} s ago`);
  }

  /** Results, on standard output. */
  print(text: string): Promise<void> {
    return write(this.io.stdout, text);
  }

  close(): void {
    this.#client?.close();
  }

  /** Those of the context, also for addresses that are given themselves: they are shown to nodes of that CA alone. */
  async #credentials(): Promise<Credentials> {
    const context = this.contextName;
    const named = this.#context()?.credentials;
    if (context === undefined || named === undefined) return {};
    const credentials = await this.#read(context, named);
    this.#shown = { context, credentials, own: !isAbsolute(named) };
    return credentials;
  }

  async #read(context: string, named: string): Promise<Credentials> {
    const { env } = this.io;
    const directory = dirname(configPath(env));
    try {
      return await readCredentials(directory, named);
    } catch (error) {
      // Another command may have replaced them since the configuration was read.
      const now = (await readConfig(env)).contexts[context]?.credentials;
      if (now === undefined || now === named) throw error;
      return readCredentials(directory, now);
    }
  }

  #text(name: SettingName): string | undefined {
    const value = this.settings.get(name)?.value;
    return typeof value === 'string' ? value : undefined;
  }

  #context() {
    const name = this.contextName;
    return name !== undefined && Object.hasOwn(this.config.contexts, name) ? this.config.contexts[name] : undefined;
  }
}

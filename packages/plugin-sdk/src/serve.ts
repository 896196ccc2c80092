/**
 * The life of a plugin's process, the same for all kinds: bind the socket that the node names in BOI_PLUGIN_SOCKET, serve the
 * contract and the standard health service on it, print BOI_READY, and end gracefully on TERM, INT, or when standard
 * input ends, which is how a plugin learns that its node is gone. Standard output carries BOI_READY and nothing else;
 * what a plugin has to say goes to standard error, from where the node takes it into its log.
 */
import { type PluginKind, SERVICE_NAMES, serviceDefinition } from '@boi/proto';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { servingStatus } from './health.ts';

/** Whom a plugin works for, as the node says in the handshake. */
export interface Introduction {
  readonly nodeId: string;
  /** Name that the plugin has in the node's configuration. */
  readonly pluginId: string;
}

/** What the node's log and `boi-node plugin show` say of a plugin. */
export interface PluginInfo {
  /** 1 to 64 characters of a-z, 0-9, `-`. */
  readonly name: string;
  /** At most 64 characters. */
  readonly version: string;
  /** Optional abilities of its kind. Default none. */
  readonly capabilities?: readonly string[];
  /** Called at each handshake, before any other call. A process has one node: the first is its own. */
  introduced?(node: Introduction): void;
  /** Called once, after the last call was answered, before the process ends. */
  close?(): Promise<void> | void;
}

/** How long calls that are under way at TERM may take. Below the node's 5 s between TERM and KILL. */
const SHUTDOWN_MS = 3_000;

/** After `close` a handle that was forgotten keeps the process no longer than this. */
const EXIT_MS = 500;

/** Serves until the process is told to end; resolves after `close`. Exits with 2 if it was not started by a node. */
export async function serve(kind: PluginKind, info: PluginInfo, handlers: UntypedServiceImplementation): Promise<void> {
  const socket = process.env.BOI_PLUGIN_SOCKET;
  if (socket === undefined || socket === '') {
    process.stderr.write(`${info.name} is a plugin: name it in the configuration of a node, which starts it.\n`);
    process.exitCode = 2;
    return;
  }
  const server = new Server();
  server.addService(serviceDefinition(SERVICE_NAMES[kind]), handlers);
  const health = servingStatus([SERVICE_NAMES[kind]]);
  server.addService(health.definition, health.handlers);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  const told = toldToEnd();
  process.stdout.write('BOI_READY\n');
  await told;
  health.stop();
  const forced = setTimeout(() => server.forceShutdown(), SHUTDOWN_MS);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(forced);
  await info.close?.();
  process.stdin.destroy();
  // Whatever an author's code still waits for must not hold the process until the node kills it.
  setTimeout(() => process.exit(), EXIT_MS).unref();
}

function toldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    process.stdin.once('end', resolve).once('error', resolve).resume();
  });
}

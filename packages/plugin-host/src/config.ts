/** How a node is told of a plugin, and the limits that hold for all of them. */
import { BoiError, type Clock, EVENT_KINDS, type EventKind, type Issue, type NodeId, type Random } from '@boi/core';
import { PLUGIN_KINDS, type PluginKind } from '@boi/proto';

export interface PluginConfig {
  /** How the node calls it: 1 to 64 characters of a-z, 0-9, `-`, beginning with a letter. Names its socket, log, write-ahead log. */
  readonly name: string;
  readonly kind: PluginKind;
  /** Program: an absolute path, or a name looked up in PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to the few variables of the daemon that a plugin inherits. Not `BOI_PLUGIN_*`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where it runs. Default: the daemon's directory. */
  readonly workdir?: string;
  /**
   * Hooks only: `audit` for a write-ahead log and work that waits, if the plugin is made for it. It is set here and not taken from
   * the plugin, since it must hold before the plugin first answers. Default `best_effort`.
   */
  readonly tier?: 'audit' | 'best_effort';
  /** Hooks only: the kinds of events it is to get. Default: those it asked for in its last handshake; before that, all. */
  readonly events?: readonly EventKind[];
  /** From the start of the process to the answered handshake. Default 10 s. */
  readonly readyTimeoutMs?: number;
}

/** What the supervisor does when. The defaults are those of the documentation; tests shorten them. */
export interface SupervisionTimes {
  /** Between health checks. */
  readonly healthEveryMs: number;
  /** For the answer to one. */
  readonly healthTimeoutMs: number;
  /** So many misses in a row are unhealthy. */
  readonly healthMissesMax: number;
  /** Within which crashes are counted, on the wall clock since it outlives the daemon. */
  readonly crashWindowMs: number;
  /** Restarts within the window; one more crash makes it unstable. */
  readonly restartsMax: number;
  /** Wait before the first restart in a window; doubles with each. */
  readonly restartDelayMs: number;
  /** Between TERM and KILL. */
  readonly stopGraceMs: number;
  /** Between tries to write down that it is unstable, while the store is away. */
  readonly ledgerRetryMs: number;
}

export const SUPERVISION_TIMES: SupervisionTimes = {
  healthEveryMs: 10_000,
  healthTimeoutMs: 5_000,
  healthMissesMax: 3,
  crashWindowMs: 300_000,
  restartsMax: 3,
  restartDelayMs: 250,
  stopGraceMs: 5_000,
  ledgerRetryMs: 5_000,
};
export const READY_TIMEOUT_MS = 10_000;
/** Largest answer accepted and largest request sent; four times gRPC's default would be no reason to read 100 MB. */
export const MESSAGE_BYTES_MAX = 4 * 1_048_576;

/** What all parts of the host need. */
export interface HostDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly nodeId: NodeId;
  /** Version of boi-node, told in the handshake. */
  readonly hostVersion: string;
}

export const PLUGIN_NAME_PATTERN = /^[a-z][a-z0-9-]{0,63}$/;

/** Throws `config-invalid` with everything that is wrong. */
export function checkPluginConfig(config: PluginConfig): void {
  const issues: Issue[] = [];
  const wrong = (path: string, message: string) => issues.push({ path, message });
  if (!PLUGIN_NAME_PATTERN.test(config.name))
    wrong('/name', 'must be 1 to 64 characters of a-z, 0-9, "-", beginning with a letter');
  if (!PLUGIN_KINDS.includes(config.kind)) wrong('/kind', `must be one of ${PLUGIN_KINDS.join(', ')}`);
  if (config.command === '' || config.command.includes('\0')) wrong('/command', 'must name a program');
  for (const name of Object.keys(config.env ?? {}))
    if (name.startsWith('BOI_PLUGIN_') || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      wrong(`/env/${name}`, 'must be the name of a variable that does not begin with BOI_PLUGIN_');
  if (config.tier !== undefined && !['best_effort', 'audit'].includes(config.tier))
    wrong('/tier', 'must be best_effort or audit');
  if (config.kind !== 'hooks' && (config.tier !== undefined || config.events !== undefined))
    wrong('/kind', 'must be hooks where tier or events are set');
  for (const kind of config.events ?? [])
    if (!EVENT_KINDS.includes(kind)) wrong('/events', `has ${JSON.stringify(kind)}, which is no kind of event`);
  const ready = config.readyTimeoutMs;
  if (ready !== undefined && !(ready > 0 && ready <= 600_000)) wrong('/readyTimeoutMs', 'must be above 0 to 600000');
  if (issues.length > 0)
    throw new BoiError(
      'config-invalid',
      `plugin ${JSON.stringify(config.name)}: ${issues.map((i) => `${i.path} ${i.message}`).join('; ')}`,
      { issues },
    );
}

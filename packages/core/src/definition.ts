/**
 * What a spec becomes after validation and expansion: plain data with every default filled in, tasks numbered from 1 in
 * expansion order, needs as indexes. Made by `parseSpec` (spec/), stored compressed as the spec's body, read by the
 * coordinator and by the node that runs a task. Fields at their neutral value are left out to keep records small.
 */

export type FailurePolicy = 'fail-fast' | 'continue';
export type When = 'success' | 'failure' | 'always';
/** A string runs under `/bin/sh -c`; a list is an argument vector, run as it is. */
export type Command = string | readonly string[];

/** One condition on a node's capabilities. All of a task's must hold. */
export type Requirement =
  | { readonly key: string; readonly op: 'eq'; readonly value: string }
  | { readonly key: string; readonly op: 'in'; readonly values: readonly string[] }
  | { readonly key: string; readonly op: 'exists'; readonly value: boolean }
  | { readonly key: string; readonly op: '>=' | '<='; readonly value: number };

export interface RetryPolicy {
  /** Further attempts after the first, 0–100. */
  readonly max: number;
  /** Delay before the second attempt; doubles with each, up to `backoffMaxMs`. */
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** Only these exit codes are retried; absent: every failure but a cancel. */
  readonly onExitCodes?: readonly number[];
}

/** At most `limit` tasks with this key run at once in the project, whichever specs they belong to. */
export interface ConcurrencyKey {
  readonly name: string;
  readonly limit: number;
}

/** When a workspace is left where it is after its task: `on-failure` for whoever wants to look, `always`. */
export type KeepWorkspace = 'on-failure' | 'always';

/** A directory that a workspace plugin makes for the task: a checkout, a copy of a data set. */
export interface WorkspaceRequest {
  /** Where its content comes from, in the plugin's own terms: for workspace-git the address of a repository. */
  readonly source: string;
  /** Which version of it; absent: the source's default. */
  readonly ref?: string;
  /** Name of the plugin on the node; absent: the node's first one. */
  readonly plugin?: string;
  /** Branch that the task's commits are pushed to once it passed its verification, before its result is committed. May hold {@link PUSH_FIELDS}. */
  readonly push?: string;
  /** Absent: never. */
  readonly keep?: KeepWorkspace;
  /** More settings in the plugin's own terms. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A pool plugin to run the task. */
export interface PoolRequest {
  /** Name of the plugin on the node; absent: the node's first one. */
  readonly plugin?: string;
  /** Settings in the plugin's own terms: an image, devices. */
  readonly options?: Readonly<Record<string, string>>;
}

/** What may stand in braces in the name of a branch, filled in when it is pushed. */
export const PUSH_FIELDS = ['ref', 'spec', 'task', 'attempt', 'fence'] as const;

/** Capabilities that a node has by its plugins: of one of any name, and of one by name. Declared by the node, asked for by the spec reader. */
export const pluginCapability = (kind: 'workspace' | 'pool', name?: string): string =>
  name === undefined ? kind : `${kind}/${name}`;

export interface TaskDefinition {
  /** Unique within the spec; matrix and count instances carry their coordinates, `build[cc=gcc]`, `shard[3]`. */
  readonly ref: string;
  readonly run: Command;
  /** Indexes (from 1) of the tasks it needs, ascending. */
  readonly needs?: readonly number[];
  /** Default `success`. */
  readonly when?: When;
  readonly requires?: readonly Requirement[];
  /** A node or a group of nodes, by id or name, that it must run on; resolved when it is placed and claimed. */
  readonly target?: string;
  /** Default 1. 0 is allowed: a task that needs no slot. */
  readonly slots?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Names whose values the executing node takes from its secrets file or environment; masked in every output. */
  readonly secrets?: readonly string[];
  /** Absolute directory on the node; absent: a fresh directory per attempt, removed afterwards. */
  readonly workdir?: string;
  /** Made by a workspace plugin; `requires` holds the capability of a node that has one. Never beside `workdir`. */
  readonly workspace?: WorkspaceRequest;
  /** Must be run by a pool plugin; `requires` holds its capability. Absent: by the node's first pool plugin, if it has one. */
  readonly pool?: PoolRequest;
  readonly timeoutMs?: number;
  /** Between TERM and KILL. Default 10 000. */
  readonly graceMs?: number;
  readonly retries?: RetryPolicy;
  /** Run in order after `run` succeeded, same directory and environment; each must exit 0 or the task fails as `verify-failed`. */
  readonly verify?: readonly Command[];
  /** −1000 to 1000, higher first. Default 0. */
  readonly priority?: number;
  /** Never two copies at once, not even during a partition: the copy is stopped before its node's lease can end. */
  readonly exclusive?: boolean;
  /** Output names the task promises to write to `BOI_OUTPUT`; a missing one fails it as `output-missing`. Others are kept too. */
  readonly outputs?: readonly string[];
  readonly key?: ConcurrencyKey;
}

export interface SpecDefinition {
  readonly name?: string;
  readonly description?: string;
  readonly failurePolicy: FailurePolicy;
  /** At most this many tasks of the spec queued or running at once. Absent: no limit. */
  readonly concurrency?: number;
  readonly tasks: readonly TaskDefinition[];
}

/** How a task ended. `superseded` is never stored: it is what a late commit is told. */
export type Outcome = 'succeeded' | 'failed' | 'timed-out' | 'cancelled' | 'skipped' | 'poison';

/** Why a task failed, for `failed` and `timed-out`; shown next to the outcome and usable in a program. */
export type FailureReason =
  | 'exit-code'
  | 'signal'
  | 'verify-failed'
  | 'output-missing'
  | 'output-too-large'
  | 'timeout'
  | 'start-failed'
  | 'workspace-failed'
  /** The workspace's source does not exist or may not be used: the spec's fault, no node's. */
  | 'workspace-refused'
  /** It passed, but what it committed could not be pushed. */
  | 'push-failed'
  | 'secret-missing'
  | 'disk'
  | 'lost';

/**
 * What a task can be given by others than this host: a workspace that somebody makes, a pool that runs it. The node implements
 * both over its plugins; the worker knows nothing of plugins but their names. All calls are keyed by (task, fence), survive a
 * restart of whoever serves them, and may be repeated.
 */
import type { PoolRequest, ProjectId, TaskId, WorkspaceRequest } from '@boi/core';

/** A claim of a task: the same pair is the same workspace and the same run. */
export interface ClaimKey {
  readonly task: TaskId;
  /** Decimal. */
  readonly fence: string;
}

export interface PreparedWorkspace {
  /** Absolute path of the directory. */
  readonly path: string;
  /** For the task's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Which version of the source it is exactly; empty: the plugin has none to tell. */
  readonly version: string;
}

export interface WorkspaceCleanup extends ClaimKey {
  /** As in the request it was prepared with. */
  readonly plugin?: string;
  /** Leave the directory where it is. */
  readonly keep: boolean;
  /** Push what the task committed there first; if that fails nothing is removed and the call rejects. */
  readonly pushBranch?: string;
}

export interface CleanedWorkspace {
  readonly keptPath?: string;
  /** What was pushed, e.g. the commit. */
  readonly pushedVersion?: string;
}

export interface WorkspaceProvider {
  /** Waits for a plugin that is being restarted. Rejects with {@link WorkspaceRefused} if no node could make it; when `signal` aborts it may still come about. */
  prepare(
    request: ClaimKey & { readonly project: ProjectId; readonly workspace: WorkspaceRequest },
    signal: AbortSignal,
  ): Promise<PreparedWorkspace>;
  /** Of an earlier life of the daemon, and still in use: not to be cleared as a leftover. Called before the plugins begin. */
  spare(claim: ClaimKey & { readonly plugin?: string }): void;
  /** One that is not there is no error. */
  cleanup(request: WorkspaceCleanup, signal: AbortSignal): Promise<CleanedWorkspace>;
}

/** The source does not exist or may not be used; trying again, here or elsewhere, does not help. */
export class WorkspaceRefused extends Error {
  constructor(message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'WorkspaceRefused';
  }
}

export interface PoolRun extends ClaimKey {
  readonly attempt: number;
  readonly delivery: number;
  /** As the task asks for it; absent: it does not. */
  readonly pool?: PoolRequest;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workdir: string;
  readonly slots: number;
  /** It was started, now or before; what a person finds it by. */
  readonly onStart: (handle: string) => void;
  /**
   * In order, each byte once, whatever restarts in between. The next comes when the promise has resolved; `end` is the offset
   * behind these. False: they are not kept so that a later life of the daemon had them, so the pool must keep them.
   */
  readonly onOutput: (stream: 'stdout' | 'stderr', bytes: Buffer, end: number) => Promise<boolean>;
  /** It has ended; the pool forgets it when the promise has resolved, which must not reject. */
  readonly onEnd?: (end: PoolEnd) => Promise<void>;
  /** It was started by an earlier life of the daemon, and is to be followed. */
  readonly resume?: {
    /** Of the first byte of output that was not kept. */
    readonly offset: number;
    /** Known already: it is to be released only. */
    readonly end?: PoolEnd;
  };
}

export type PoolEnd =
  | { readonly exitCode?: number | undefined; readonly signal?: string | undefined }
  | { readonly startError: string }
  /** It is not known how it ended, or whether it did. */
  | { readonly lost: string };

export interface PooledTask {
  /** Settles when it has ended and the pool has forgotten it, or with `left` after {@link leave}; never rejects. */
  readonly done: Promise<PoolEnd | 'left'>;
  /** TERM or its like and force after `graceMs`; 0: force at once. A later call can only shorten the wait. */
  stop(graceMs: number): void;
  /** Follows it no further and lets it run, for another life of the daemon. */
  leave(): void;
}

export interface TaskPool {
  /** Name of the plugin that runs a task which asks for this; undefined: there is none. */
  plugin(request: PoolRequest | undefined): string | undefined;
  /** Of an earlier life of the daemon, and to be resumed: not to be cleared as a leftover. Called before the plugins begin. */
  spare(claim: ClaimKey & { readonly plugin: string }): void;
  /** Starts at most one run per (task, fence). Never throws. */
  run(run: PoolRun): PooledTask;
}

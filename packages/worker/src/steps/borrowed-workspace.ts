/**
 * A workspace that somebody else makes: prepared before the task, given back after it. What the task committed is pushed
 * before its result is told, so that whoever sees a success sees the branch too; a push that fails makes the task fail and
 * leaves the workspace where it is.
 */
import { type Assignment, fillBranch, type WorkspaceRequest } from '@boi/core';
import { type PreparedWorkspace, type WorkspaceProvider, WorkspaceRefused } from '../ports.ts';
import { type Ending, failed } from './ending.ts';

/** To remove what nobody needs any more must not hold a result back for long. */
const REMOVE_MS_MAX = 60_000;

export interface BorrowedWorkspaceDeps {
  readonly provider: WorkspaceProvider | undefined;
  readonly assignment: Assignment;
  readonly request: WorkspaceRequest;
  /** Aborted when the task is stopped. */
  readonly signal: AbortSignal;
  /** A line for the task's log. */
  readonly note: (line: string) => void;
  readonly onProblem: (error: unknown) => void;
}

export class BorrowedWorkspace {
  readonly #deps: BorrowedWorkspaceDeps;
  #prepared: PreparedWorkspace | undefined;

  constructor(deps: BorrowedWorkspaceDeps) {
    this.#deps = deps;
  }

  /** The workspace, or how the task ends without one. Undefined: it was stopped meanwhile. */
  async prepare(): Promise<PreparedWorkspace | Ending | undefined> {
    const { provider, request, assignment, signal } = this.#deps;
    if (provider === undefined) return failed('workspace-failed', 'this node has no workspace plugin any more');
    try {
      const { task, fence, project } = assignment;
      this.#prepared = await provider.prepare({ task, fence, project, workspace: request }, signal);
      return this.#prepared;
    } catch (error) {
      // Asked to stop it may still be at it, for minutes: nobody waits for what it then removes.
      const removed = this.#remove(false);
      if (signal.aborted) return undefined;
      await removed;
      return failed(
        error instanceof WorkspaceRefused ? 'workspace-refused' : 'workspace-failed',
        (error as Error).message,
      );
    }
  }

  /** One that was prepared in an earlier life of the daemon. */
  adopt({ path, version }: Omit<PreparedWorkspace, 'env'>): PreparedWorkspace {
    this.#prepared = { path, env: {}, version };
    return this.#prepared;
  }

  /** What the end of the task is once its workspace has been given back. Called exactly once after a workspace was prepared. */
  async giveBack(ending: Ending): Promise<Ending> {
    const { request } = this.#deps;
    const version = this.#prepared?.version ?? '';
    const told = version === '' ? {} : { BOI_WORKSPACE_VERSION: version };
    if (ending.outcome === 'succeeded' && request.push !== undefined) return this.#push(ending, told);
    const kept = await this.#remove(request.keep === 'always' || (request.keep === 'on-failure' && isFailure(ending)));
    return withOutputs(withKept(ending, kept), told);
  }

  async #push(ending: Ending, told: Readonly<Record<string, string>>): Promise<Ending> {
    const { provider, request, signal, assignment } = this.#deps;
    const { task, spec, attempt, fence, definition } = assignment;
    const branch = fillBranch(request.push ?? '', { ref: definition.ref, task, spec, attempt: String(attempt), fence });
    const keep = request.keep === 'always';
    try {
      const cleaned = await provider?.cleanup({ ...this.#key(), keep, pushBranch: branch }, signal);
      const pushed = cleaned?.pushedVersion;
      this.#noteKept(cleaned?.keptPath);
      this.#deps.note(`[boi] pushed ${pushed ?? 'what it committed'} to ${branch}`);
      return withOutputs(ending, {
        ...told,
        BOI_PUSHED_BRANCH: branch,
        ...(pushed === undefined ? {} : { BOI_PUSHED_VERSION: pushed }),
      });
    } catch (error) {
      // Forced to stop, it may still be pushing: nobody waits for what is removed then.
      if (signal.aborted) void this.#remove(false);
      const message = `what it committed could not be pushed to ${branch}: ${(error as Error).message}`;
      this.#deps.note(`[boi] ${message}`);
      return failed('push-failed', message);
    }
  }

  /** Never rejects: what cannot be removed is the node's trouble and not the task's. */
  async #remove(keep: boolean): Promise<string | undefined> {
    try {
      const cleaned = await this.#deps.provider?.cleanup({ ...this.#key(), keep }, AbortSignal.timeout(REMOVE_MS_MAX));
      this.#noteKept(cleaned?.keptPath);
      return cleaned?.keptPath;
    } catch (error) {
      this.#deps.onProblem(error);
      return undefined;
    }
  }

  #noteKept(path: string | undefined): void {
    if (path !== undefined) this.#deps.note(`[boi] the workspace is kept on this node: ${path}`);
  }

  #key() {
    const { assignment, request } = this.#deps;
    const { task, fence } = assignment;
    return { task, fence, ...(request.plugin === undefined ? {} : { plugin: request.plugin }) };
  }
}

function isFailure({ outcome }: Ending): boolean {
  return outcome === 'failed' || outcome === 'timed-out';
}

function withKept(ending: Ending, path: string | undefined): Ending {
  if (path === undefined || !isFailure(ending)) return ending;
  const kept = `its workspace is kept on this node: ${path}`;
  return { ...ending, message: ending.message === undefined ? kept : `${ending.message}; ${kept}` };
}

function withOutputs(ending: Ending, more: Readonly<Record<string, string>>): Ending {
  return Object.keys(more).length === 0 ? ending : { ...ending, outputs: { ...ending.outputs, ...more } };
}

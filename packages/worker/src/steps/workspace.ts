/**
 * Where a task runs: the directory its definition names, which must exist and is left alone, or a fresh one per attempt and
 * delivery under `<data>/work`, removed afterwards. Beside it, never in it, the file `BOI_OUTPUT` names, so that a task
 * which clears its directory keeps its outputs.
 */
import { lstatSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment } from '@boi/core';

export interface Workspace {
  readonly dir: string;
  readonly outputPath: string;
  /** Removes what was made. Never rejects; answers what could not be removed. */
  remove(): Promise<Error | undefined>;
}

export type WorkspaceResult =
  | { readonly workspace: Workspace }
  | { readonly reason: 'workspace-failed' | 'disk'; readonly message: string };

/** Directory of all workspaces of a node; every task's `BOI_OUTPUT` lies in it, which marks its processes. */
export const workRoot = (dataDir: string) => join(dataDir, 'work');

export function prepareWorkspace(dataDir: string, assignment: Assignment): WorkspaceResult {
  const { task, attempt, delivery, definition } = assignment;
  const fresh = join(workRoot(dataDir), `${task}.${attempt}.${delivery}`);
  const outputPath = `${fresh}.output`;
  if (definition.workdir !== undefined) {
    const problem = workdirProblem(definition.workdir);
    if (problem !== undefined) return { reason: 'workspace-failed', message: problem };
    return { workspace: { dir: definition.workdir, outputPath, remove: () => removeFile(outputPath) } };
  }
  try {
    makeFresh(fresh);
  } catch (error) {
    return { reason: 'disk', message: `cannot make the work directory: ${(error as Error).message}` };
  }
  return { workspace: { dir: fresh, outputPath, remove: () => removeAll(fresh, outputPath) } };
}

function workdirProblem(dir: string): string | undefined {
  try {
    return statSync(dir).isDirectory() ? undefined : `workdir ${dir} is not a directory on this node`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? `workdir ${dir} does not exist on this node`
      : `workdir ${dir} cannot be used on this node (${code})`;
  }
}

/** Leavings of a killed daemon are cleared at start, so an existing one means that `<data>/work` itself was lost. */
function makeFresh(dir: string): void {
  try {
    mkdirSync(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(dir, { mode: 0o700, recursive: true });
  }
}

async function removeAll(dir: string, outputPath: string): Promise<Error | undefined> {
  const problem = await removeFile(outputPath);
  try {
    rmdirSync(dir); // Most are empty, and one system call is all that takes.
    return problem;
  } catch {
    // Has files, or was removed by the task.
  }
  try {
    await rm(dir, { recursive: true, force: true, maxRetries: 2 });
    return problem;
  } catch (error) {
    return error as Error;
  }
}

async function removeFile(path: string): Promise<Error | undefined> {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    await unlink(path);
    return undefined;
  } catch {
    // A directory, which a task may well have made there.
  }
  return rm(path, { recursive: true, force: true }).then(
    () => undefined,
    (error: Error) => error,
  );
}

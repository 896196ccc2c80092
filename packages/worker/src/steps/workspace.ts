/**
 * Where a task runs: the directory its definition names, which must exist and is left alone, or a fresh one per attempt and
 * delivery under the node's work directory, removed afterwards. Beside it, never in it, the file `BOI_OUTPUT` names, so that
 * a task which clears its directory keeps its outputs. For a task of another user both are in a directory of that user's.
 */
import { mkdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment } from '@boi/core';
import { makeOwned, removeOwned, type TaskUser } from './task-user.ts';

export interface Workspace {
  readonly dir: string;
  readonly outputPath: string;
  /** Removes what was made. Never rejects; answers what could not be removed. */
  remove(): Promise<Error | undefined>;
}

export type WorkspaceResult =
  | { readonly workspace: Workspace }
  | { readonly reason: 'workspace-failed' | 'disk'; readonly message: string };

/** Directory of all workspaces of a node, unless another is given; every task's `BOI_OUTPUT` lies in it, which marks its processes. */
export const workRoot = (dataDir: string) => join(dataDir, 'work');

export async function prepareWorkspace(
  root: string,
  assignment: Assignment,
  user?: TaskUser,
): Promise<WorkspaceResult> {
  const { task, attempt, delivery, definition } = assignment;
  const fresh = join(root, `${task}.${attempt}.${delivery}`);
  if (user !== undefined) return prepareOwned(fresh, definition.workdir, user);
  const outputPath = `${fresh}.output`;
  if (definition.workdir !== undefined) {
    const problem = await workdirProblem(definition.workdir);
    if (problem !== undefined) return { reason: 'workspace-failed', message: problem };
    return { workspace: { dir: definition.workdir, outputPath, remove: () => removeFile(outputPath) } };
  }
  try {
    await makeFresh(fresh);
  } catch (error) {
    return { reason: 'disk', message: `cannot make the work directory: ${(error as Error).message}` };
  }
  return { workspace: { dir: fresh, outputPath, remove: () => removeAll(fresh, outputPath) } };
}

async function prepareOwned(top: string, workdir: string | undefined, user: TaskUser): Promise<WorkspaceResult> {
  const problem = workdir === undefined ? undefined : await workdirProblem(workdir);
  if (problem !== undefined) return { reason: 'workspace-failed', message: problem };
  const own = join(top, 'work');
  try {
    await makeOwned(top, user);
    if (workdir === undefined) await makeOwned(own, user);
  } catch (error) {
    return { reason: 'disk', message: `cannot make the work directory: ${(error as Error).message}` };
  }
  const remove = () =>
    removeOwned(top, user).then(
      () => undefined,
      (error: Error) => error,
    );
  return { workspace: { dir: workdir ?? own, outputPath: join(top, 'output'), remove } };
}

async function workdirProblem(dir: string): Promise<string | undefined> {
  try {
    return (await stat(dir)).isDirectory() ? undefined : `workdir ${dir} is not a directory on this node`;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR'
      ? `workdir ${dir} does not exist on this node`
      : `workdir ${dir} cannot be used on this node (${code})`;
  }
}

/** Leavings of a killed daemon are cleared at start, so an existing one means that `<data>/work` itself was lost. */
async function makeFresh(dir: string): Promise<void> {
  try {
    await mkdir(dir, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dir, { mode: 0o700, recursive: true });
  }
}

async function removeAll(dir: string, outputPath: string): Promise<Error | undefined> {
  const [left, problem] = await Promise.all([
    // Most are empty, and one system call is all that takes; else it has files, or the task removed it.
    rmdir(dir).then(
      () => undefined,
      () => remove(dir),
    ),
    removeFile(outputPath),
  ]);
  return left ?? problem;
}

async function removeFile(path: string): Promise<Error | undefined> {
  try {
    await unlink(path);
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  }
  return remove(path); // A directory, which a task may well have made there.
}

function remove(path: string): Promise<Error | undefined> {
  return rm(path, { recursive: true, force: true, maxRetries: 2 }).then(
    () => undefined,
    (error: Error) => error,
  );
}

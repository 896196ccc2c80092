/**
 * Where a task runs: a directory that is given (its definition's, or a workspace that a plugin made), which must exist and is
 * left alone, or a fresh one per attempt and delivery under the node's work directory, removed afterwards. Beside it, never
 * in it, the file `BOI_OUTPUT` names, so that a task which clears its directory keeps its outputs. For a task of another
 * user, or one that a pool runs, everything is in a directory of its own.
 */
import { mkdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Assignment } from '@boi/core';
import { canEnter, makeOwned, removeOwned, type TaskUser } from './task-user.ts';

export interface Workspace {
  readonly dir: string;
  /** Named by the spec, and perhaps not one that the task's user may enter. */
  readonly foreign?: boolean;
  readonly outputPath: string;
  /** Path for a file that goes with the task, beside its outputs. Who writes one lists it in `made`. */
  beside(name: string): string;
  readonly made: string[];
  /** Removes what was made. Never rejects; answers what could not be removed. */
  remove(): Promise<Error | undefined>;
}

export type WorkspaceResult =
  | { readonly workspace: Workspace }
  | { readonly reason: 'workspace-failed' | 'disk'; readonly message: string };

/** Directory of all workspaces of a node, unless another is given; every task's `BOI_OUTPUT` lies in it, which marks its processes. */
export const workRoot = (dataDir: string) => join(dataDir, 'work');

export interface WorkspaceOptions {
  /** Directory to run in instead of a fresh one. */
  readonly dir?: string | undefined;
  readonly user?: TaskUser | undefined;
  /** All in one directory, which a pool can make visible as a whole. */
  readonly apart?: boolean;
}

export async function prepareWorkspace(
  root: string,
  assignment: Assignment,
  { dir, user, apart = false }: WorkspaceOptions,
): Promise<WorkspaceResult> {
  const fresh = join(root, workspaceName(assignment));
  const problem = dir === undefined ? undefined : await workdirProblem(dir, user);
  if (problem !== undefined) return { reason: 'workspace-failed', message: problem };
  if (user !== undefined || apart) return prepareApart(fresh, dir, user);
  const made: string[] = [];
  const outputPath = `${fresh}.output`;
  const beside = (name: string) => `${fresh}.${name}`;
  const removeFiles = async () =>
    (await Promise.all([outputPath, ...made].map(removeFile))).find((e) => e !== undefined);
  if (dir !== undefined) return { workspace: { dir, outputPath, beside, made, remove: removeFiles } };
  try {
    await makeFresh(fresh);
  } catch (error) {
    return { reason: 'disk', message: `cannot make the work directory: ${(error as Error).message}` };
  }
  const remove = async () => (await Promise.all([removeDirectory(fresh), removeFiles()])).find((e) => e !== undefined);
  return { workspace: { dir: fresh, outputPath, beside, made, remove } };
}

/** The directory of a task that an earlier life of the daemon prepared `apart`. */
export function adoptWorkspace(root: string, assignment: Assignment, dir: string | undefined): Workspace {
  return apartAt(join(root, workspaceName(assignment)), dir, undefined);
}

/** In the directory of all workspaces. */
export function workspaceName({ task, attempt, delivery }: Assignment): string {
  return `${task}.${attempt}.${delivery}`;
}

async function prepareApart(
  top: string,
  dir: string | undefined,
  user: TaskUser | undefined,
): Promise<WorkspaceResult> {
  const make = (path: string) => (user === undefined ? makeFresh(path) : makeOwned(path, user));
  try {
    await make(top);
    if (dir === undefined) await make(join(top, 'work'));
  } catch (error) {
    return { reason: 'disk', message: `cannot make the work directory: ${(error as Error).message}` };
  }
  return { workspace: apartAt(top, dir, user) };
}

function apartAt(top: string, dir: string | undefined, user: TaskUser | undefined): Workspace {
  const remove = () =>
    (user === undefined ? rm(top, { recursive: true, force: true }) : removeOwned(top, user)).then(
      () => undefined,
      (error: Error) => error,
    );
  const beside = (name: string) => join(top, name);
  const foreign = dir !== undefined && user !== undefined;
  return { dir: dir ?? join(top, 'work'), foreign, outputPath: join(top, 'output'), beside, made: [], remove };
}

async function workdirProblem(dir: string, user: TaskUser | undefined): Promise<string | undefined> {
  if (user !== undefined && !(await canEnter(dir, user))) {
    return `workdir ${dir} is not a directory that ${user.name} can enter on this node`;
  }
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

/** Most are empty, and one system call is all that takes; else it has files, or the task removed it. */
function removeDirectory(dir: string): Promise<Error | undefined> {
  return rmdir(dir).then(
    () => undefined,
    () => remove(dir),
  );
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

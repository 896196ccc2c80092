/** Starts the programs of tasks: the cheap way where it is to be had, Node's where it is not. */
import { nodeSpawn, type User } from './node-spawn.ts';
import { PosixSpawner } from './posix-spawn.ts';
import type { Spawned, SpawnRequest } from './spawned.ts';

/** One for all of a process, since SIGCHLD is. */
let posix: Promise<PosixSpawner | Error> | undefined;

/** Undefined: programs are started cheaply. Else why not; they are started all the same. */
export async function spawnProblem(): Promise<Error | undefined> {
  posix ??= PosixSpawner.load().catch((error: Error) => error);
  const loaded = await posix;
  return loaded instanceof Error ? loaded : undefined;
}

/** Rejects with an error whose `code` is an errno's name. With `user`, who must not be the daemon's own without need: `posix_spawn` cannot do that. */
export async function spawnProgram(request: SpawnRequest, user?: User): Promise<Spawned> {
  if (user !== undefined) return nodeSpawn(request, user);
  posix ??= PosixSpawner.load().catch((error: Error) => error);
  const loaded = await posix;
  return loaded instanceof Error ? nodeSpawn(request) : loaded.spawn(request);
}

/** Starts the programs of tasks: the cheap way where it is to be had, Node's where it is not. */
import { nodeSpawn, type User } from './node-spawn.ts';
import { PosixSpawner } from './posix-spawn.ts';
import type { Spawned, SpawnRequest } from './spawned.ts';

/** One for all of a process, since SIGCHLD is; or why there is none. */
let posix: Promise<PosixSpawner | Error> | undefined;

function posixSpawner(): Promise<PosixSpawner | Error> {
  posix ??= PosixSpawner.load().catch((error: Error) => error);
  return posix;
}

/** Undefined: programs are started cheaply. Else why not; they are started all the same. */
export async function spawnProblem(): Promise<Error | undefined> {
  const loaded = await posixSpawner();
  return loaded instanceof Error ? loaded : undefined;
}

/** Rejects with an error whose `code` is an errno's name. `user` is given only where it is another than the daemon's: that takes Node's way. */
export async function spawnProgram(request: SpawnRequest, user?: User): Promise<Spawned> {
  if (user !== undefined) return nodeSpawn(request, user);
  const loaded = await posixSpawner();
  return loaded instanceof Error ? nodeSpawn(request) : loaded.spawn(request);
}

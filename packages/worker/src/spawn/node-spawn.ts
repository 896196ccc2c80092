/** Node's own way to start a program, for what posix-spawn.ts cannot do: another user, or a host without its library. */
import { spawn } from 'node:child_process';
import type { Spawned, SpawnRequest } from './spawned.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** Rejects with Node's error, `code` an errno's name. With `user`: runs as that user, in no group but its own. */
export async function nodeSpawn(request: SpawnRequest, user?: User): Promise<Spawned> {
  const child = spawn(request.program, request.args, {
    cwd: request.cwd,
    env: request.env,
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid, stdout, stderr } = child;
  if (pid === undefined) {
    // Nobody else closes them.
    for (const stream of [stdout, stderr]) stream?.destroy();
    throw await new Promise<Error>((resolve) => child.once('error', resolve));
  }
  const exited = new Promise<{ exitCode: number | undefined; signal: string | undefined }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ exitCode: code ?? undefined, signal: signal ?? undefined }));
  });
  return { pid, stdout, stderr, exited };
}

/**
 * The directory of the plugins' sockets. Whoever can open a socket in it can speak to a plugin as the node or be taken for one,
 * so it belongs to the daemon's user with mode 0700: that is the whole authorization.
 */
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BoiError } from '@boi/core';

/** `sun_path` of Linux has 108 bytes, the last one zero. */
const SOCKET_PATH_BYTES_MAX = 107;

/** Makes the directory, or tightens the mode of one that is there. */
export async function prepareSocketDir(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const stat = await lstat(directory);
  if (!stat.isDirectory()) throw new BoiError('config-invalid', `${directory} is not a directory`);
  if (process.getuid !== undefined && stat.uid !== process.getuid())
    throw new BoiError(
      'config-invalid',
      `${directory} belongs to user ${stat.uid}; name a directory of this user's own`,
    );
  if ((stat.mode & 0o777) !== 0o700) await chmod(directory, 0o700);
}

/** The path of a plugin's socket, free: what a plugin that died left there is removed. */
export async function freeSocketPath(directory: string, plugin: string): Promise<string> {
  const path = join(directory, `${plugin}.sock`);
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_BYTES_MAX)
    throw new BoiError(
      'config-invalid',
      `the socket path ${path} has ${bytes} bytes, the system takes ${SOCKET_PATH_BYTES_MAX}; name a shorter runtime directory`,
    );
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  return path;
}

/**
 * The user that tasks run as when the daemon is root. Its work directories are outside the daemon's data directory, which it
 * cannot enter; it gets no group but its own, and of the daemon's environment not even HOME.
 *
 * What a task leaves is removed as that user: root that walks a tree its owner may still change could be led astray.
 */
import { execFile } from 'node:child_process';
import { chown, lstat, mkdir, rmdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { BoiError } from '@boi/core';

const run = promisify(execFile);

export interface TaskUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Looks a name or number up. Throws `config-invalid`: no such user, root itself, or a daemon that is not root. */
export async function findTaskUser(nameOrUid: string): Promise<TaskUser> {
  const refused = (why: string) => new BoiError('config-invalid', `--task-user ${nameOrUid}: ${why}`);
  if (process.getuid?.() !== 0) throw refused('only a daemon that runs as root can run tasks as another user');
  if (nameOrUid.startsWith('-')) throw refused('is not the name of a user');
  const { stdout } = await run('getent', ['passwd', nameOrUid]).catch((cause: Error) => {
    throw new BoiError('config-invalid', `--task-user ${nameOrUid}: there is no such user on this host`, { cause });
  });
  const [name = '', , uid, gid, , home = '/'] = stdout.trim().split(':');
  const user = { name, uid: Number(uid), gid: Number(gid), home };
  if (!Number.isInteger(user.uid) || !Number.isInteger(user.gid))
    throw refused('cannot be read from the user database');
  if (user.uid === 0) throw refused('is root; choose a user that owns nothing else');
  return user;
}

/** Makes the directory of all work directories; with a user it can be passed through, not listed. Throws `config-invalid`. */
export async function makeWorkRoot(root: string, user: TaskUser | undefined): Promise<void> {
  await mkdir(root, { recursive: true, mode: user === undefined ? 0o700 : 0o711 });
  if (user === undefined) return;
  const { uid, mode } = await lstat(root);
  if (uid !== 0 || (mode & 0o022) !== 0) {
    throw new BoiError(
      'config-invalid',
      `${root} can be changed by others than root; remove it, or give another --work-dir`,
    );
  }
  const { uid: as, gid } = user;
  await run('/bin/sh', ['-c', 'cd "$1"', 'sh', root], { uid: as, gid, cwd: '/' }).catch((cause: Error) => {
    throw new BoiError('config-invalid', `${user.name} cannot enter ${root}; give a --work-dir that it can`, { cause });
  });
}

/** Whether the user can enter a directory that a spec names; what root can see of it says nothing. */
export function canEnter(dir: string, { uid, gid }: TaskUser): Promise<boolean> {
  return run('/bin/sh', ['-c', 'cd -- "$1"', 'sh', dir], { uid, gid, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

/**
 * The same program, begun in `/`, from where it goes to `dir` itself. A directory that is given to a spawn is entered before the
 * user is changed, so as root; and whoever is in a directory needs no right to pass through those above it.
 */
export function enteringItself(
  dir: string,
  argv: readonly string[],
): { readonly argv: string[]; readonly cwd: string } {
  return { argv: ['/bin/sh', '-c', 'cd -- "$1" || exit 126; shift; exec "$@"', 'sh', dir, ...argv], cwd: '/' };
}

/** A directory of the user's own. */
export async function makeOwned(dir: string, user: TaskUser): Promise<void> {
  await mkdir(dir, { mode: 0o700 });
  await chown(dir, user.uid, user.gid);
}

/** Removes a directory that the user owns, in one that it does not. */
export async function removeOwned(dir: string, { uid, gid }: TaskUser): Promise<void> {
  // Ends with 1, since the directory itself is not the user's to remove.
  await run('/bin/rm', ['-rf', '--', dir], { uid, gid, cwd: '/' }).catch(() => undefined);
  await rmdir(dir);
}

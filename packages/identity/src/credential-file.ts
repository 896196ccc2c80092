/**
 * Credential files: one writer at a time, and readers see an old or a new file, never half of one. `withCredentialLock` is
 * held over read, reissue and write, so that of two processes that find the same expired credential the second sees what
 * the first has written. The lock dies with its process (system/data-dir-lock.ts).
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BoiError, type Clock, type Random, sleep } from '@boi/core';
import { type DataDirLock, lockDataDir, writeFileAtomic } from '@boi/system';

const WAIT_MS = 100;
const CREDENTIAL_BYTES_MAX = 128 * 1024;

export interface LockWait {
  readonly clock: Clock;
  readonly random: Random;
  /** How long to wait for another process. Default ten seconds. */
  readonly waitMs?: number;
}

/** Runs `work` while no other process does for `dir`. Throws `identity-in-use` when another one does for too long. */
export async function withCredentialLock<T>(
  dir: string,
  { clock, random, waitMs = 10_000 }: LockWait,
  work: () => Promise<T>,
): Promise<T> {
  const lock = await locked(dir, { clock, random, waitMs });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function locked(dir: string, { clock, random, waitMs }: Required<LockWait>): Promise<DataDirLock> {
  const endMono = clock.mono() + waitMs;
  for (;;) {
    try {
      return await lockDataDir(join(dir, '.lock'), { clock, random });
    } catch (error) {
      if (!(error instanceof BoiError && error.code === 'identity-in-use') || clock.mono() >= endMono) throw error;
      await sleep(clock, WAIT_MS * (0.5 + random.next()));
    }
  }
}

/** Replaces a credential file, mode 0600, in a directory that only this user can read (made if absent). */
export async function writeCredential(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFileAtomic(path, text, { mode: 0o600 });
}

/** Its text, or undefined when there is none. Throws `config-invalid` for one that others may read or that is too long. */
export async function readCredential(path: string): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & 0o077) !== 0) {
      throw new BoiError('config-invalid', `${path} can be read by others; run: chmod 600 ${path}`);
    }
    if (size > CREDENTIAL_BYTES_MAX) {
      throw new BoiError('config-invalid', `${path} has ${size} bytes; at most ${CREDENTIAL_BYTES_MAX} are read`);
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

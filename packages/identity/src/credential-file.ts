/**
 * Credential files: readers see an old or a new one, never half of one, and nobody else can read them. Who writes holds the
 * lock of the directory they are in: the data directory's.
 */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BoiError } from '@boi/core';
import { writeFileAtomic } from '@boi/system';

const CREDENTIAL_BYTES_MAX = 128 * 1024;

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

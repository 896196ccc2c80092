/**
 * Small files that are either old or new, never half, whatever dies in between: written beside the target, fsynced,
 * renamed over it, and the directory fsynced so that the rename itself survives a power cut. For identity, keys, tokens,
 * contexts; not for logs.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BoiError, type Issue } from '@boi/core';
import type { Static, TSchema } from 'typebox';

export interface WriteFileOptions {
  /** Permission bits, exactly: the umask does not apply. Default 0600. */
  readonly mode?: number;
}

/** Replaces `path` by `data`. When it resolves, the new content is on disk; when it rejects, the old one still is. */
export async function writeFileAtomic(
  path: string,
  data: string | Uint8Array,
  options: WriteFileOptions = {},
): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
  const mode = options.mode ?? 0o600;
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.chmod(mode);
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Makes creations, renames and removals in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export interface ReadJsonOptions {
  /** Refuse the file if its mode has any bit outside this, e.g. 0o600 for secrets. Default: any mode. */
  readonly modeMax?: number;
  /** Refuse a larger file. Default 1 MiB. */
  readonly bytesMax?: number;
}

const READ_BYTES_MAX = 1_048_576;

/**
 * Reads and checks a JSON file; undefined if there is none. Throws `config-invalid`, naming the file and every field that
 * is wrong, when it is no JSON, does not fit `schema`, is too large or is readable by others than `modeMax` allows. Values
 * never stand in the message: the file may hold secrets.
 */
export async function readJsonFile<S extends TSchema>(
  path: string,
  schema: S,
  options: ReadJsonOptions = {},
): Promise<Static<S> | undefined> {
  const text = await readBounded(path, options);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BoiError('config-invalid', `${path} is not JSON; mend it or restore it from a backup`);
  }
  // Only commands that read a file pay for loading the checker.
  const { Value } = await import('typebox/value');
  if (Value.Check(schema, value)) return value as Static<S>;
  const issues: Issue[] = Value.Errors(schema, value).map((e) => ({ path: e.instancePath, message: e.message }));
  const list = issues.map((i) => `${i.path === '' ? '/' : i.path} ${i.message}`).join('; ');
  throw new BoiError('config-invalid', `${path}: ${list}`, { issues });
}

async function readBounded(path: string, options: ReadJsonOptions): Promise<string | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const stat = await file.stat();
    const bytesMax = options.bytesMax ?? READ_BYTES_MAX;
    if (!stat.isFile()) throw new BoiError('config-invalid', `${path} is not a regular file`);
    if (stat.size > bytesMax) {
      throw new BoiError('config-invalid', `${path} has ${stat.size} bytes; at most ${bytesMax} are read`);
    }
    const mode = stat.mode & 0o777;
    if (options.modeMax !== undefined && (mode & ~options.modeMax) !== 0) {
      const octal = (bits: number) => `0${bits.toString(8)}`;
      throw new BoiError(
        'config-invalid',
        `${path} has mode ${octal(mode)}, so others can read it; run: chmod ${octal(options.modeMax)} ${path}`,
      );
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

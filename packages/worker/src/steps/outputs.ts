/**
 * What a task wrote to `BOI_OUTPUT`: lines `key=value`, at most 4 KiB in all, in a file the task itself creates. Keys are
 * `[A-Za-z_][A-Za-z0-9_]{0,63}`; the last line of a key counts; blank lines are skipped; a value may hold anything but a
 * line break and NUL. The file is the task's, so it is opened without following links or waiting on a pipe.
 */
import { close, constants, fstat, open, read } from 'node:fs';
import { promisify } from 'node:util';
import type { FailureReason } from '@boi/core';

/** Results live in the store; the same figure bounds a result record. */
export const OUTPUT_BYTES_MAX = 4_096;
/** By descriptor: most tasks have no such file, and the handles of `node:fs/promises` cost several times a failed open. */
const file = { open: promisify(open), stat: promisify(fstat), read: promisify(read), close: promisify(close) };
const LINE = /^([A-Za-z_][A-Za-z0-9_]{0,63})=(.*)$/s;

export interface OutputProblem {
  readonly reason: FailureReason;
  readonly message: string;
}

export type OutputResult = { readonly outputs: Readonly<Record<string, string>> | undefined } | OutputProblem;

/** Reads the outputs and checks that every promised name is there. With `owner` (a user id) the file must be that user's. */
export async function readOutputs(
  path: string,
  promised: readonly string[],
  bytesMax: number,
  owner?: number,
): Promise<OutputResult> {
  let fd: number;
  try {
    fd = await file.open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return checkPromised(undefined, promised);
    return { reason: 'output-missing', message: `BOI_OUTPUT cannot be read (${code}); write a regular file there` };
  }
  try {
    const stat = await file.stat(fd);
    if (!stat.isFile()) return { reason: 'output-missing', message: 'BOI_OUTPUT is not a regular file' };
    // A link to what root may read and the task may not.
    if (owner !== undefined && stat.uid !== owner) {
      return { reason: 'output-missing', message: "BOI_OUTPUT is not the task's own file" };
    }
    // Not by the size it has: something the task left running may still write to it.
    const bytes = await readUpTo(fd, bytesMax + 1);
    if (bytes.length > bytesMax) {
      const size = Math.max(stat.size, bytes.length);
      return { reason: 'output-too-large', message: `outputs have ${size} bytes; at most ${bytesMax} are kept` };
    }
    const parsed = parseOutputs(bytes);
    return 'reason' in parsed ? parsed : checkPromised(parsed.outputs, promised);
  } finally {
    await file.close(fd);
  }
}

async function readUpTo(fd: number, bytesMax: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytesMax);
  let length = 0;
  while (length < bytesMax) {
    const { bytesRead } = await file.read(fd, buffer, length, bytesMax - length, null);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

export function parseOutputs(bytes: Uint8Array): OutputResult {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return malformed('it is not UTF-8');
  }
  if (text.includes('\0')) return malformed('it holds a NUL byte');
  const outputs: Record<string, string> = Object.create(null);
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (line === '') continue;
    const match = LINE.exec(line);
    if (match === null) {
      return malformed(`line ${index + 1} is not key=value with a key of letters, digits and _ (at most 64)`);
    }
    outputs[match[1] as string] = match[2] as string;
  }
  return { outputs: Object.keys(outputs).length === 0 ? undefined : { ...outputs } };
}

/** A wrong form is reported as a missing output: what dependents were to see is not there. */
function malformed(why: string): OutputProblem {
  return { reason: 'output-missing', message: `BOI_OUTPUT is malformed: ${why}` };
}

function checkPromised(
  outputs: Readonly<Record<string, string>> | undefined,
  promised: readonly string[],
): OutputResult {
  const missing = promised.filter((name) => outputs === undefined || !Object.hasOwn(outputs, name));
  if (missing.length === 0) return { outputs };
  const names = missing.map((name) => `\`${name}\``).join(', ');
  return { reason: 'output-missing', message: `the task promised ${names} but did not write it to BOI_OUTPUT` };
}

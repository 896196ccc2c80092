/** Reading a spec file, or standard input, and checking it before anything is sent. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { BoiError } from '@boi/core/errors';
import { type ParseSpecResult, parseSpec, type SpecFormat } from '@boi/core/spec/parse-spec';
import type { Io } from '../io.ts';
import { forTerminal } from '../output/width.ts';

/** More is no spec; the parser says the exact limit, this only keeps a mistaken path from filling memory. */
const BYTES_MAX = 16 * 2 ** 20;

export interface SpecSource {
  /** How messages call it. */
  readonly label: string;
  readonly text: string;
  readonly format: SpecFormat;
}

export async function readSpecSource(io: Io, file: string): Promise<SpecSource> {
  const label = file === '-' ? '<stdin>' : file;
  const bytes = file === '-' ? await readAll(io.stdin, label) : await readPath(file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new BoiError('invalid-spec', `${label}: the file is not UTF-8 text`, { cause });
  }
  return { label, text, format: formatOf(file, text) };
}

/** By extension, else by content: a brace opens JSON, a table or `key = value` at the beginning of a line is TOML. */
export function formatOf(file: string, text: string): SpecFormat {
  const extension = /\.([a-z]+)$/i.exec(file)?.[1]?.toLowerCase();
  if (extension === 'json') return 'json';
  if (extension === 'toml') return 'toml';
  if (extension === 'yaml' || extension === 'yml') return 'yaml';
  if (/^\s*\{/.test(text)) return 'json';
  const first = text.split('\n').find((line) => line.trim() !== '' && !line.trimStart().startsWith('#')) ?? '';
  return /^\s*(\[|[A-Za-z0-9_."'-]+\s*=)/.test(first) ? 'toml' : 'yaml';
}

/** The parsed file; prints every error as `file:line:column: message` and throws `invalid-spec`. */
export function parseOrFail(
  io: Io,
  source: SpecSource,
  set: Readonly<Record<string, string>>,
): Extract<ParseSpecResult, { ok: true }> {
  const parsed = parseSpec(source.text, source.format, { set });
  if (parsed.ok) return parsed;
  for (const line of issueLines(source, parsed)) io.stderr.write(`${line}\n`);
  const count = parsed.issues.length;
  throw new BoiError(
    'invalid-spec',
    `${source.label} has ${count === 1 ? 'an error' : `${count} errors`}; nothing was sent`,
  );
}

export function issueLines(source: SpecSource, parsed: Extract<ParseSpecResult, { ok: false }>): string[] {
  return parsed.issues.map(({ line, column, message }) =>
    forTerminal(`${source.label}:${line === undefined ? '' : `${line}:${column ?? 1}:`} ${message}`),
  );
}

async function readPath(file: string): Promise<Uint8Array> {
  try {
    return await readAll(createReadStream(file), file);
  } catch (cause) {
    if (cause instanceof BoiError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a directory' : message;
    throw new BoiError('bad-request', `${file}: ${why}`, { cause });
  }
}

async function readAll(stream: Readable, label: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk as Uint8Array);
    bytes += buffer.length;
    if (bytes > BYTES_MAX) throw new BoiError('too-large', `${label}: more than ${BYTES_MAX} bytes is no spec`);
    chunks.push(buffer);
  }
  return Buffer.concat(chunks);
}

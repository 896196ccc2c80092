/**
 * A finished spec's results as they are kept: `archive/{prj}/{spc}/{n}`, n from 0, each a raw-deflated JSON list of
 * [index, result] in ascending order, at most 256 KiB of JSON. The header's `archived.firsts` has each chunk's first index.
 * The definitions are not here: the body stays as it is (compressed already) until the spec is removed, since `spec retry`
 * and the views of an ended task need it.
 */
import { deflateRawSync } from 'node:zlib';
import { BoiError, type ProjectId, type SpecId } from '@boi/core';
import type { Store } from '@boi/store';
import { Type } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import { unpackJson } from '../base/unpack.ts';
import type { Keys } from '../keys.ts';
import { codecs, ResultRecord, SCHEMA_VERSION, type SpecHeader } from '../records.ts';

export const ARCHIVE_CHUNK_CHARS_MAX = 256 * 1024;

export class ArchiveChunk {
  #parts: string[] = [];
  #chars = 0;
  #first = 0;

  get empty(): boolean {
    return this.#parts.length === 0;
  }

  get first(): number {
    return this.#first;
  }

  /** False: it is full; write it and begin the next. */
  add(index: number, record: ResultRecord): boolean {
    const json = `[${index},${codecs.result.encode(record)}]`;
    if (this.#parts.length > 0 && this.#chars + json.length > ARCHIVE_CHUNK_CHARS_MAX) return false;
    if (this.#parts.length === 0) this.#first = index;
    this.#parts.push(json);
    this.#chars += json.length + 1;
    return true;
  }

  encode(): Buffer {
    return deflateRawSync(`{"v":${SCHEMA_VERSION},"results":[${this.#parts.join(',')}]}`, { level: 6 });
  }
}

const Archive = Type.Object({
  v: Type.Literal(SCHEMA_VERSION),
  results: Type.Array(Type.Tuple([Type.Integer({ minimum: 1 }), ResultRecord])),
});
/** Compiled when the first archive is read. */
let shape: Validator | undefined;

export function decodeArchive(key: string, value: Buffer): [index: number, result: ResultRecord][] {
  const { json } = unpackJson(key, value, 'archive');
  shape ??= Compile(Archive) as unknown as Validator;
  if (!shape.Check(json)) {
    throw new BoiError('schema-unknown', `${key}: the archive is of an unknown shape`, { details: { key } });
  }
  return (json as { results: unknown }).results as [number, ResultRecord][];
}

/** Results of tasks `from`…`to` of an archived spec. */
export async function archivedResults(
  { store, keys }: { readonly store: Store; readonly keys: Keys },
  prj: ProjectId,
  spc: SpecId,
  header: SpecHeader,
  from: number,
  to: number,
): Promise<Map<number, ResultRecord>> {
  const found = new Map<number, ResultRecord>();
  const { chunks = 0, firsts } = header.archived ?? {};
  for (let n = 0; n < chunks; n++) {
    const first = firsts?.[n] ?? 1;
    const next = firsts?.[n + 1] ?? Number.POSITIVE_INFINITY;
    if (next <= from || first > to) continue;
    const key = keys.archive(prj, spc, n);
    const { kv } = await store.get(key);
    if (kv === undefined) throw new BoiError('not-found', `the archive of ${spc} is gone`, { details: { spec: spc } });
    for (const [index, result] of decodeArchive(key, kv.value)) {
      if (index >= from && index <= to) found.set(index, result);
    }
  }
  return found;
}

/**
 * The expanded spec as it is stored: `specbody/{spc}/{n}`, n from 0, each a raw-deflated JSON array of task definitions in
 * the order of their indexes. A chunk holds as many definitions as fit 256 KiB of JSON, at least one (the largest is
 * 64 KiB), so it is at most that after compression too, and no chunk costs more to unpack than that.
 *
 * A body is immutable from the moment its spec leaves `writing`; therefore {@link SpecBodies} caches without asking again.
 * Which chunk has an index is said by the queue entry, or found by a guess and a step or two (chunks know their first index).
 * Compression is synchronous, as a simulation must be able to replay it.
 */
import { deflateRawSync } from 'node:zlib';
import { BoiError, type SpecId, type TaskDefinition } from '@boi/core';
import type { Store } from '@boi/store';
import { unpackJson } from '../base/unpack.ts';
import type { Keys } from '../keys.ts';
import { SCHEMA_VERSION, type SpecHeader } from '../records.ts';

/** JSON characters of one chunk; the store's request limit is four times that. */
export const BODY_CHUNK_CHARS_MAX = 256 * 1024;
/** Deflate level: the fastest; bodies are repetitive, so the others gain little. */
const DEFLATE_LEVEL = 1;
/** Unpacked definitions kept in memory. */
const CACHE_CHARS_MAX = 16 * 1024 * 1024;

export interface BodyChunk {
  /** Index of its first task, from 1. */
  readonly first: number;
  readonly tasks: readonly TaskDefinition[];
}

export interface EncodedChunk {
  readonly n: number;
  readonly first: number;
  readonly count: number;
  readonly value: Buffer;
}

/** The chunks of a spec, made one at a time: a caller that waits between them leaves the event loop free. */
export function* encodeBody(tasks: readonly TaskDefinition[]): Generator<EncodedChunk> {
  let n = 0;
  let first = 1;
  let parts: string[] = [];
  let chars = 0;
  const flush = (): EncodedChunk => {
    const json = `{"v":${SCHEMA_VERSION},"first":${first},"tasks":[${parts.join(',')}]}`;
    return { n, first, count: parts.length, value: deflateRawSync(json, { level: DEFLATE_LEVEL }) };
  };
  for (const task of tasks) {
    const json = JSON.stringify(task);
    if (parts.length > 0 && chars + json.length > BODY_CHUNK_CHARS_MAX) {
      yield flush();
      n++;
      first += parts.length;
      parts = [];
      chars = 0;
    }
    parts.push(json);
    chars += json.length + 1;
  }
  if (parts.length > 0) yield flush();
}

export function decodeChunk(key: string, value: Buffer): { chunk: BodyChunk; chars: number } {
  const { text, json } = unpackJson(key, value, "chunk of a spec's body");
  const { v, first, tasks } = (json ?? {}) as { v?: unknown; first?: unknown; tasks?: unknown };
  if (v !== SCHEMA_VERSION || typeof first !== 'number' || !Array.isArray(tasks)) {
    throw new BoiError('schema-unknown', `${key}: the chunk of a spec's body is of an unknown shape`, {
      details: { key },
    });
  }
  return { chunk: { first, tasks: tasks as TaskDefinition[] }, chars: text.length };
}

interface Cached {
  readonly loading: Promise<BodyChunk>;
  /** Once it is loaded. */
  chunk?: BodyChunk;
  chars: number;
}

/** Reads definitions, keeping the chunks used last. One per node. */
export class SpecBodies {
  readonly #ctx: { readonly store: Store; readonly keys: Keys };
  readonly #charsMax: number;
  /** In order of use, oldest first. */
  readonly #cache = new Map<string, Cached>();
  #chars = 0;

  constructor(ctx: { readonly store: Store; readonly keys: Keys }, options: { readonly cacheCharsMax?: number } = {}) {
    this.#ctx = ctx;
    this.#charsMax = options.cacheCharsMax ?? CACHE_CHARS_MAX;
  }

  /** Characters of JSON whose definitions are in memory. */
  get cachedChars(): number {
    return this.#chars;
  }

  /** Definition of task `index`, which is in `chunk`. Throws `not-found` when the spec is gone. */
  async definition(spec: SpecId, index: number, chunk: number): Promise<TaskDefinition> {
    const { first, tasks } = await this.chunk(spec, chunk);
    const definition = tasks[index - first];
    if (definition === undefined) throw gone(spec, `task ${index} is not in chunk ${chunk} of the body of ${spec}`);
    return definition;
  }

  /** The same, if its chunk is in memory. */
  known(spec: SpecId, index: number, chunk: number): TaskDefinition | undefined {
    const known = this.#used(this.#ctx.keys.specBody(spec, chunk))?.chunk;
    return known?.tasks[index - known.first];
  }

  /** Definition of task `index` when only the header is known. */
  async find(spec: SpecId, header: SpecHeader, index: number): Promise<TaskDefinition> {
    if (header.chunks === 0) {
      if (header.def === undefined) throw gone(spec, `the definition of ${spec} is not stored`);
      return header.def as unknown as TaskDefinition;
    }
    const { first, tasks } = await this.chunk(spec, await this.locate(spec, header, index));
    return tasks[index - first] as TaskDefinition;
  }

  /** Number of the chunk that has task `index`. */
  async locate(spec: SpecId, header: SpecHeader, index: number): Promise<number> {
    let n = Math.min(header.chunks - 1, Math.floor(((index - 1) / header.tasks) * header.chunks));
    for (let steps = 0; steps <= header.chunks && n >= 0 && n < header.chunks; steps++) {
      const { first, tasks } = await this.chunk(spec, n);
      if (index < first) n--;
      else if (index >= first + tasks.length) n++;
      else return n;
    }
    throw gone(spec, `task ${index} is in no chunk of the body of ${spec}`);
  }

  /** All chunks in order from the one with task `from` on, one at a time. */
  async *all(spec: SpecId, header: SpecHeader, from = 1): AsyncGenerator<BodyChunk & { readonly n: number }> {
    if (header.chunks === 0) {
      yield { n: 0, first: 1, tasks: [await this.find(spec, header, 1)] };
      return;
    }
    for (let n = from === 1 ? 0 : await this.locate(spec, header, from); n < header.chunks; n++)
      yield { n, ...(await this.chunk(spec, n)) };
  }

  chunk(spec: SpecId, n: number): Promise<BodyChunk> {
    const key = this.#ctx.keys.specBody(spec, n);
    const known = this.#used(key);
    if (known !== undefined) return known.loading;
    const cached: Cached = { loading: this.#load(spec, key), chars: 0 };
    this.#cache.set(key, cached);
    return cached.loading;
  }

  #used(key: string): Cached | undefined {
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
    }
    return known;
  }

  async #load(spec: SpecId, key: string): Promise<BodyChunk> {
    try {
      const { kv } = await this.#ctx.store.get(key);
      if (kv === undefined) throw gone(spec, `the body of ${spec} is gone`);
      const { chunk, chars } = decodeChunk(key, kv.value);
      this.#keep(key, chunk, chars);
      return chunk;
    } catch (error) {
      this.#cache.delete(key);
      throw error;
    }
  }

  #keep(key: string, chunk: BodyChunk, chars: number): void {
    const cached = this.#cache.get(key);
    if (cached === undefined) return;
    cached.chunk = chunk;
    // Counted once, also when it was dropped and read again meanwhile.
    this.#chars += chars - cached.chars;
    cached.chars = chars;
    for (const [oldest, { chars: freed }] of this.#cache) {
      if (this.#chars <= this.#charsMax || oldest === key) break;
      this.#cache.delete(oldest);
      this.#chars -= freed;
    }
  }
}

function gone(spec: SpecId, message: string): BoiError {
  return new BoiError('not-found', message, { details: { spec } });
}

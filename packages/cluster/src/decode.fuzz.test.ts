/**
 * Whatever is in the store under a key of ours, reading it answers a record or throws `schema-unknown`: arbitrary bytes,
 * arbitrary JSON, and records that were right until one thing in them was changed. Values that unpack to gigabytes cost nothing.
 */
import { deflateRawSync } from 'node:zlib';
import { BoiError } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { UNPACKED_BYTES_MAX } from './base/unpack.ts';
import { groupsCodec } from './group/records.ts';
import { identityCodecs } from './identity/records.ts';
import { type Codec, codecs } from './records.ts';
import { decodeChunk, encodeBody } from './spec/spec-body.ts';
import { entry, nodeRecord } from './testing/fixtures.ts';
import { ArchiveChunk, decodeArchive } from './upkeep/archive-format.ts';

const RUNS = Number(process.env.BOI_FUZZ_RUNS ?? 200);
const KEY = '/boi/anything';

const readers: Readonly<Record<string, (value: Buffer) => unknown>> = Object.fromEntries(
  Object.entries({ ...codecs, ...identityCodecs, groups: groupsCodec } as Record<string, Codec<unknown>>).map(
    ([kind, codec]) => [kind, (value: Buffer) => codec.decode(KEY, value)],
  ),
);

function harmless(read: (value: Buffer) => unknown, value: Buffer): void {
  try {
    read(value);
  } catch (error) {
    expect(error).toBeInstanceOf(BoiError);
    expect((error as BoiError).code).toBe('schema-unknown');
  }
}

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const json = fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value)));
const shaped = fc
  .dictionary(
    fc.constantFrom('v', 'name', 'members', 'results', 'tasks', 'first', 'certificate', 'claim', 'state', 'counts'),
    fc.oneof(fc.jsonValue(), fc.constant(1)),
  )
  .map((value) => Buffer.from(JSON.stringify({ v: 1, ...value })));

/** `record` with one value anywhere in it replaced. */
function changed(record: object): fc.Arbitrary<Buffer> {
  const paths: string[][] = [];
  const walk = (value: unknown, path: string[]) => {
    if (path.length > 0) paths.push(path);
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    }
  };
  walk(record, []);
  return fc.tuple(fc.constantFrom(...paths), fc.jsonValue()).map(([path, value]) => {
    const copy = structuredClone(record) as Record<string, unknown>;
    let at = copy;
    for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
    at[path.at(-1) as string] = value;
    return Buffer.from(JSON.stringify(copy));
  });
}

describe('a record that is anything at all is read, or is of an unknown shape:', () => {
  test.each(Object.entries(readers))('%s', (_, read) => {
    fc.assert(
      fc.property(fc.oneof(bytes, json, shaped), (value) => harmless(read, value)),
      { numRuns: RUNS },
    );
    // What once failed: a version that is no text and cannot be made one.
    harmless(read, Buffer.from('{"v":{"toString":0}}'));
  });

  test('a queue entry and a node with one thing changed', () => {
    for (const [kind, record] of [
      ['entry', entry()],
      ['node', nodeRecord()],
    ] as const) {
      fc.assert(
        fc.property(changed(record), (value) => harmless(readers[kind] as (value: Buffer) => unknown, value)),
        { numRuns: RUNS },
      );
    }
  });
});

describe.each([
  ['an archive', (value: Buffer) => decodeArchive(KEY, value)],
  ['a part of a body', (value: Buffer) => decodeChunk(KEY, value)],
])('%s', (_, read) => {
  test('of anything at all is unpacked, or is of an unknown shape', () => {
    const packed = fc.oneof(json, shaped).map((value) => deflateRawSync(value));
    fc.assert(
      fc.property(fc.oneof(bytes, json, packed), (value) => harmless(read, value)),
      { numRuns: RUNS },
    );
    // What once failed: JSON that is no object.
    for (const text of ['null', '1', '""', '[]']) harmless(read, deflateRawSync(text));
  });

  test('that would unpack to more than anybody writes is refused', () => {
    const bomb = deflateRawSync(Buffer.alloc(64 * UNPACKED_BYTES_MAX, 0x20));
    expect(bomb.length).toBeLessThan(UNPACKED_BYTES_MAX);
    expect(() => read(bomb)).toThrow(/cannot be unpacked/);
  });
});

test('what was written with some bytes changed is read, or is of an unknown shape', () => {
  const archive = new ArchiveChunk();
  for (let n = 1; n <= 20; n++) archive.add(n, { v: 1, outcome: 'succeeded', endedAt: n, attempt: 1, delivery: 1 });
  const [body] = encodeBody([{ ref: 'a', index: 1, run: { shell: 'true' } } as never]);
  for (const [value, read] of [
    [archive.encode(), (v: Buffer) => decodeArchive(KEY, v)],
    [(body as { value: Buffer }).value, (v: Buffer) => decodeChunk(KEY, v)],
  ] as const) {
    expect(read(value)).toBeDefined();
    const bitten = fc
      .array(fc.tuple(fc.nat(value.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 4 })
      .map((bites) => {
        const copy = Buffer.from(value);
        for (const [at, byte] of bites) copy[at] = byte;
        return copy;
      });
    fc.assert(
      fc.property(bitten, (v) => harmless(read, v)),
      { numRuns: RUNS },
    );
  }
});

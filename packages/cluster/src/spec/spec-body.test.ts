import { SeededRandom } from '@boi/core/testing';
import { describe, expect, it } from 'vitest';
import { codecs, type SpecHeader } from '../records.ts';
import { definition, fixture, testSpec } from '../testing/fixtures.ts';
import { BODY_CHUNK_CHARS_MAX, encodeBody, SpecBodies } from './spec-body.ts';

const spc = testSpec(1);

async function written(sizes: readonly number[]) {
  const f = fixture();
  const tasks = sizes.map((size, i) => definition({ ref: `t${i + 1}`, run: 'x'.repeat(size) }));
  const chunks = [...encodeBody(tasks)];
  for (const { n, value } of chunks) {
    await f.store.txn({ compares: [], success: [{ op: 'put', key: f.keys.specBody(spc, n), value }] });
  }
  const header = { tasks: tasks.length, chunks: chunks.length } as SpecHeader;
  return { f, tasks, chunks, header };
}

describe('the body of a spec', () => {
  it('has every definition in the chunk that says so, however their sizes vary', async () => {
    const random = new SeededRandom(7);
    const sizes = Array.from({ length: 400 }, () => (random.next() < 0.1 ? 60_000 : random.int(200)));
    const { f, tasks, chunks, header } = await written(sizes);
    expect(chunks.length).toBeGreaterThan(5);
    expect(chunks.reduce((sum, { count }) => sum + count, 0)).toBe(400);
    for (const { value } of chunks) expect(value.length).toBeLessThanOrEqual(BODY_CHUNK_CHARS_MAX + 1024);
    const bodies = new SpecBodies(f.ctx);
    for (const index of [1, 2, 199, 200, 399, 400]) {
      expect(await bodies.find(spc, header, index)).toEqual(tasks[index - 1]);
      const chunk = await bodies.locate(spc, header, index);
      expect(await bodies.definition(spc, index, chunk)).toEqual(tasks[index - 1]);
    }
    const rest: string[] = [];
    for await (const { tasks: part } of bodies.all(spc, header, 200)) rest.push(...part.map(({ ref }) => ref));
    expect(rest).toContain('t200');
    expect(rest.at(-1)).toBe('t400');
  });

  it('is kept in memory up to a limit, the chunks used last', async () => {
    const { f, header } = await written(Array.from({ length: 40 }, () => 60_000));
    const bodies = new SpecBodies(f.ctx, { cacheCharsMax: 600_000 });
    for (let n = 0; n < header.chunks; n++) await bodies.chunk(spc, n);
    expect(bodies.cachedChars).toBeGreaterThan(0);
    expect(bodies.cachedChars).toBeLessThanOrEqual(600_000);
  });

  it('that is damaged or gone is refused, naming it', async () => {
    const { f, header } = await written([1]);
    const key = f.keys.specBody(spc, 0);
    await f.store.txn({ compares: [], success: [{ op: 'put', key, value: 'garbage' }] });
    await expect(new SpecBodies(f.ctx).find(spc, header, 1)).rejects.toMatchObject({ code: 'schema-unknown' });
    await f.store.txn({ compares: [], success: [{ op: 'delete', key }] });
    await expect(new SpecBodies(f.ctx).find(spc, header, 1)).rejects.toMatchObject({ code: 'not-found' });
    expect(() => codecs.blocked.decode(key, Buffer.from('{"v":2}'))).toThrow(/version 2/);
  });
});

import { beforeEach, describe, expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { depsOf, type Fixture, fixture, put, read, StaticMembership, testNode } from '../testing/fixtures.ts';
import { RetentionClock } from './retention-clock.ts';

const { signal } = new AbortController();
const HOUR_MS = 3600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;

let f: Fixture;
let membership: StaticMembership;
let holders = 0;
beforeEach(async () => {
  f = fixture();
  membership = await StaticMembership.create(f);
});

/** Another node, or another life of one: it knows nothing but the record. */
async function holder(): Promise<RetentionClock> {
  return new RetentionClock(depsOf(f, membership, await membership.join(testNode(++holders))));
}

const written = () => read(f, f.keys.retention(), codecs.retention);

describe('the clock that removes old things', () => {
  test('begins at the wall clock and goes with it', async () => {
    const clock = await holder();
    for (let hour = 0; hour < 48; hour++) {
      expect(await clock.now(signal)).toBe(f.clock.now());
      await f.clock.advance(HOUR_MS);
    }
    expect((await written())?.at).toBe(f.clock.now() - HOUR_MS);
  });

  test('goes twice as fast as time, and no faster, when the wall clock is ahead', async () => {
    const clock = await holder();
    const began = await clock.now(signal);
    f.clock.wallOffsetMs += YEAR_MS;
    expect(await clock.now(signal)).toBe(began);
    for (let hour = 0; hour < 48; hour++) {
      await f.clock.advance(HOUR_MS);
      expect(await clock.now(signal)).toBe(began + 2 * HOUR_MS * (hour + 1));
    }
    f.clock.wallOffsetMs -= YEAR_MS;
    expect(await clock.now(signal)).toBe(f.clock.now());
  });

  test('goes on from where it was with the next holder, whose wall clock may be ahead, too', async () => {
    const began = await (await holder()).now(signal);
    f.clock.wallOffsetMs += YEAR_MS;
    const next = await holder();
    expect(await next.now(signal)).toBe(began);
    await f.clock.advance(HOUR_MS);
    expect(await next.now(signal)).toBe(began + 2 * HOUR_MS);
    expect((await written())?.at).toBe(began + 2 * HOUR_MS);
    expect(await (await holder()).now(signal)).toBe(began + 2 * HOUR_MS);
  });

  test('two holders at once make it no faster', async () => {
    const both = [await holder(), await holder()];
    const began = await (both[0] as RetentionClock).now(signal);
    f.clock.wallOffsetMs += YEAR_MS;
    for (let turn = 1; turn <= 20; turn++) {
      await f.clock.advance(HOUR_MS / 2);
      for (const clock of both) expect(await clock.now(signal)).toBeLessThanOrEqual(began + turn * HOUR_MS);
    }
  });

  test('is the wall clock where that is behind it, and does not go back for it', async () => {
    const clock = await holder();
    const began = await clock.now(signal);
    f.clock.wallOffsetMs -= YEAR_MS;
    expect(await clock.now(signal)).toBe(f.clock.now());
    await f.clock.advance(HOUR_MS);
    await clock.now(signal);
    expect((await written())?.at).toBe(began);
  });

  test('is written about once an hour', async () => {
    const clock = await holder();
    const revisions = new Set<string>();
    for (let minute = 0; minute < 600; minute++) {
      await clock.now(signal);
      revisions.add((await f.store.get(f.keys.retention())).kv?.modRevision ?? '');
      await f.clock.advance(60_000);
    }
    expect(revisions.size).toBe(10);
  });

  test('rejects a record that it cannot read', async () => {
    await f.store.txn({ compares: [], success: [{ op: 'put', key: f.keys.retention(), value: '{"v":99}' }] });
    await expect((await holder()).now(signal)).rejects.toMatchObject({ code: 'schema-unknown' });
    await put(f, f.keys.retention(), codecs.retention, { v: 1, at: 5 });
    expect(await (await holder()).now(signal)).toBe(5);
  });
});

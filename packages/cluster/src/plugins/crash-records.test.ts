import { VirtualClock } from '@boi/core/testing';
import { MemoryServer } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { Keys } from '../keys.ts';
import { testNode } from '../testing/fixtures.ts';
import { CrashRecords } from './crash-records.ts';

const CRASH = { id: '0badcafe', at: 1_000 };

describe('crash records of plugins', () => {
  const keys = new Keys();
  let clock: VirtualClock;
  let server: MemoryServer;
  let store: FaultyStore;
  let records: CrashRecords;

  beforeEach(() => {
    clock = new VirtualClock();
    server = new MemoryServer({ clock });
    store = new FaultyStore({ store: server.connect(), clock });
    records = new CrashRecords(store, keys, testNode(1));
  });

  it('are absent before the first crash', async () => {
    expect(await records.read('audit')).toBeUndefined();
  });

  it('are read back as written, by a later life of the daemon too', async () => {
    expect(await records.swap('audit', undefined, { crashes: [CRASH], unstable: true })).toBe('applied');
    const later = new CrashRecords(server.connect(), keys, testNode(1));
    expect((await later.read('audit'))?.record).toEqual({ crashes: [CRASH], unstable: true });
    expect(await later.read('other')).toBeUndefined();
  });

  it('of a node are its own', async () => {
    await records.swap('audit', undefined, { crashes: [CRASH], unstable: false });
    expect(await new CrashRecords(server.connect(), keys, testNode(2)).read('audit')).toBeUndefined();
  });

  it('are not overwritten by one who has read an older state', async () => {
    await records.swap('audit', undefined, { crashes: [], unstable: false });
    const read = await records.read('audit');
    expect(await records.swap('audit', read?.revision, { crashes: [CRASH], unstable: false })).toBe('applied');
    expect(await records.swap('audit', read?.revision, { crashes: [], unstable: false })).toBe('refused');
    expect(await records.swap('audit', undefined, { crashes: [], unstable: false })).toBe('refused');
    expect((await records.read('audit'))?.record.crashes).toEqual([CRASH]);
  });

  it('tell by an error that the store is away, or that nobody knows whether they were written', async () => {
    store.partition('refusing');
    await expect(records.read('audit')).rejects.toMatchObject({ code: 'store-unreachable' });
    store.heal();
    store.plan = { call: ({ method }) => (method === 'txn' ? { dropReply: true } : undefined) };
    const lost = records.swap('audit', undefined, { crashes: [CRASH], unstable: false });
    const refused = expect(lost).rejects.toMatchObject({ code: 'outcome-unknown' });
    await clock.advance(5_000);
    await refused;
    // It was, and the next to write must have seen it.
    expect((await records.read('audit'))?.record.crashes).toEqual([CRASH]);
  });

  it('of an unknown version are refused, not guessed at', async () => {
    await store.txn({
      compares: [],
      success: [{ op: 'put', key: keys.plugin(testNode(1), 'audit'), value: '{"v":2,"crashes":[]}' }],
    });
    await expect(records.read('audit')).rejects.toMatchObject({ code: 'schema-unknown' });
  });
});

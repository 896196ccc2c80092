/** What a sound etcd never says, and what it says when it refuses: nothing of it may end the process or a watch in silence. */
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { afterEach, describe, expect, it } from 'vitest';
import type { Revision } from '../port.ts';
import { etcdRig } from '../testing/etcd-rig.ts';
import { type FakeEtcd, type FakeWatchReply, startFakeEtcd } from '../testing/fake-etcd.ts';
import { put, write } from '../testing/requests.ts';
import { WatchRecorder } from '../testing/watch-recorder.ts';
import { EtcdStore } from './store.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function storeOf({ endpoint, stop }: FakeEtcd): EtcdStore {
  const store = new EtcdStore({
    endpoints: [endpoint],
    clock: systemClock,
    random: new SeededRandom(1),
    deadlineMs: 500,
  });
  closing.push(() => store.close(), stop);
  return store;
}

function event(revision: number): NonNullable<FakeWatchReply['events']>[number] {
  return { type: 0, kv: { key: Buffer.from('/k'), mod_revision: revision } };
}

const range = { start: '/', end: '0', fromRevision: '10' as Revision };

describe('fault 9: a reply nobody asked for breaks the stream, and the watch resumes after the last event', () => {
  it.each<[string, FakeWatchReply]>([
    ['to an unknown watch', { watch_id: 999, events: [event(12)] }],
    ['that cancels without a reason', { watch_id: 1, canceled: true }],
  ])('a reply %s', async (_what, odd) => {
    const resumedFrom: number[] = [];
    const fake = await startFakeEtcd((stream, { create_request: create }, reply) => {
      if (create === undefined) return;
      resumedFrom.push(create.start_revision.toNumber());
      const watch_id = create.watch_id.toNumber();
      reply({ watch_id, created: true });
      if (stream === 1) {
        reply({ watch_id, events: [event(11)] });
        reply({ ...odd });
      } else reply({ watch_id, events: [event(11), event(12), event(13)] });
    });
    const recorder = new WatchRecorder();
    storeOf(fake).watch(range, recorder);
    await recorder.until(({ calls }) => calls.length === 2);
    expect(recorder.calls.map(({ revision }) => revision)).toEqual(['11', '13']);
    expect(recorder.events.map((one) => one.type === 'put' && one.kv.modRevision)).toEqual(['11', '12', '13']);
    // One before the revision wanted, see fault 12.
    expect(resumedFrom).toEqual([9, 11]);
    expect(recorder.lost).toBeUndefined();
  });

  it('a watch that is never confirmed is asked for again', async () => {
    const fake = await startFakeEtcd((stream, { create_request: create }, reply) => {
      if (create === undefined || stream === 1) return;
      const watch_id = create.watch_id.toNumber();
      reply({ watch_id, created: true });
      reply({ watch_id, events: [event(10)] });
    });
    const recorder = new WatchRecorder();
    storeOf(fake).watch(range, recorder);
    await recorder.until(({ events }) => events.length === 1);
  });

  it('a watch refused at its creation is lost with the reason, with its id or without', async () => {
    for (const withId of [true, false]) {
      const fake = await startFakeEtcd((_stream, { create_request: create }, reply) => {
        if (create === undefined) return;
        const watch_id = withId ? create.watch_id.toNumber() : -1;
        reply({ watch_id, created: true, canceled: true, cancel_reason: 'etcdserver: permission denied' });
      });
      const recorder = new WatchRecorder();
      storeOf(fake).watch(range, recorder);
      await recorder.until(({ lost }) => lost !== undefined);
      expect(recorder.lost).toEqual({ reason: 'refused', message: 'etcdserver: permission denied' });
    }
  });
});

describe('a full database', () => {
  it('refuses writes definitely, naming the cure, and shows its alarm; reads go on', async () => {
    const rig = await etcdRig({ args: ['--quota-backend-bytes=1000000'] });
    closing.push(() => rig.stop());
    const value = Buffer.alloc(500_000, 'v');
    const fill = async () => {
      for (let i = 0; i < 20; i += 1) await write(rig.store, { op: 'put', key: `/full/${i}`, value });
    };
    await expect(fill()).rejects.toMatchObject({ code: 'unavailable', message: /defragment.*alarm/s });
    // The first refusal raises the alarm.
    while (!(await rig.store.status()).alarms.includes('NOSPACE'));
    await expect(write(rig.store, put('/full/x'))).rejects.toThrow(/etcdctl/);
    const header = {
      compares: [],
      success: [put('/full/header')],
      items: [{ compares: [], success: [put('/full/y')] }],
    };
    await expect(rig.store.batch(header)).rejects.toThrow(/etcdctl/);
    expect((await rig.store.get('/full/0')).kv?.value).toHaveLength(500_000);
    // etcd does not count nested writes against its quota: a batch without outer writes still passes.
    const nested = await rig.store.batch({ compares: [], items: [{ compares: [], success: [put('/full/z')] }] });
    expect(nested).toMatchObject({ outcome: 'applied' });
  });
});

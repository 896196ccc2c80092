/**
 * The known faults of etcd clients, each pinned by a test through a proxy that misbehaves. The numbers are those of
 * `docs/decisions/011-store-faults.md`.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  absent,
  type LeaseId,
  nextRevision,
  prefixEnd,
  type Revision,
  type Store,
  sameCreation,
  type WatchEvent,
} from '../port.ts';
import { type EtcdRig, etcdRig } from '../testing/etcd-rig.ts';
import { del, grant, known, put, write } from '../testing/requests.ts';
import { WatchRecorder } from '../testing/watch-recorder.ts';

let rig: EtcdRig;

beforeAll(async () => {
  rig = await etcdRig();
});

afterAll(async () => {
  await rig.stop();
});

function watching(store: Store, prefix: string, fromRevision: Revision) {
  const recorder = new WatchRecorder();
  const { cancel } = store.watch({ start: prefix, end: prefixEnd(prefix), fromRevision }, recorder);
  return { recorder, cancel };
}

const valueIn = (event: WatchEvent) => (event.type === 'put' ? event.kv.value.toString() : 'deleted');

describe('fault 1: a resumed watch loses nothing', () => {
  it('wherever its connection is cut during a catch-up of 5,000 revisions', async () => {
    const prefix = rig.prefix();
    const start = await write(rig.direct, put(`${prefix}start`));
    const padding = 'x'.repeat(500);
    for (let i = 0; i < 5000; i += 100) {
      const round = Array.from({ length: 100 }, (_, j) =>
        write(rig.direct, put(`${prefix}k${j}`, `${i + j} ${padding}`)),
      );
      await Promise.all(round);
    }
    const whole = watching(rig.direct, prefix, nextRevision(start));
    await whole.recorder.until(({ events }) => events.length === 5000);
    whole.cancel();
    const revisions = whole.recorder.events.map((event) => event.type === 'put' && event.kv.modRevision);
    for (const cutAfter of [300, 100_000, 700_000, 1_500_000, 2_400_000]) {
      const accepted = rig.proxy.accepted;
      const store = rig.connect();
      await store.get(prefix);
      rig.proxy.cutAfter(cutAfter);
      const { recorder, cancel } = watching(store, prefix, nextRevision(start));
      await recorder.until(({ events }) => events.length >= 5000);
      expect(recorder.events.map((event) => event.type === 'put' && event.kv.modRevision)).toEqual(revisions);
      expect(rig.proxy.accepted - accepted).toBeGreaterThanOrEqual(2);
      cancel();
      await store.close();
    }
  });

  it('nor when it is cut again and again while others write', async () => {
    const prefix = rig.prefix();
    const start = await write(rig.direct, put(`${prefix}start`));
    const { recorder, cancel } = watching(rig.store, prefix, nextRevision(start));
    for (let i = 0; i < 500; i += 1) {
      await write(rig.direct, put(`${prefix}k`, String(i)));
      if (i % 100 === 50) rig.proxy.cut();
    }
    await recorder.until(({ events }) => events.length >= 500);
    expect(recorder.events.map(valueIn)).toEqual(Array.from({ length: 500 }, (_, i) => String(i)));
    cancel();
  });

  it('nor tears a revision too large for one message, whole or cut', async () => {
    const prefix = rig.prefix();
    const start = await write(rig.direct, put(`${prefix}start`));
    const value = Buffer.alloc(8000, 'v');
    for (let round = 0; round < 8; round += 1) {
      const keys = Array.from({ length: 120 }, (_, i) => `${prefix}${String(i).padStart(3, '0')}`);
      await write(rig.direct, ...keys.map((key) => ({ op: 'put', key, value }) as const));
    }
    rig.proxy.cutAfter(2_500_000);
    const { recorder, cancel } = watching(rig.store, prefix, nextRevision(start));
    await recorder.until(({ events }) => events.length >= 960);
    expect(recorder.events).toHaveLength(960);
    for (const { events } of recorder.calls) expect(events.length % 120).toBe(0);
    cancel();
  });
});

describe('fault 2: nothing is sent twice', () => {
  it('a create whose reply is cut is unknown, was applied once, and the same again is refused by the own nonce', async () => {
    const prefix = rig.prefix();
    for (let i = 0; i < 20; i += 1) {
      const key = `${prefix}${i}`;
      const create = {
        compares: [absent(key)],
        success: [put(key, `nonce ${i}`)],
        failure: [{ op: 'get', key } as const],
      };
      const start = (await rig.store.get(key)).revision;
      const { recorder, cancel } = watching(rig.direct, key, nextRevision(start));
      rig.proxy.set('hold', 'to-client');
      const answer = rig.store.txn(create);
      await recorder.until(({ events }) => events.length > 0);
      rig.proxy.cut();
      rig.proxy.set('flow', 'to-client');
      expect(await answer).toMatchObject({ outcome: 'unknown', cause: { code: 'outcome-unknown' } });
      const again = known(await untilReachable(() => rig.store.txn(create)));
      expect(again).toMatchObject({ outcome: 'refused', answers: [{ kv: { value: Buffer.from(`nonce ${i}`) } }] });
      expect(recorder.events).toHaveLength(1);
      cancel();
    }
  });

  it('a grant whose reply is cut leaves one lease, not four', async () => {
    await rig.store.status();
    const before = await rig.metric('etcd_debugging_lease_granted_total');
    rig.proxy.set('hold', 'to-client');
    const answer = rig.store.grantLease(60_000);
    await pollUntil(async () => (await rig.metric('etcd_debugging_lease_granted_total')) > before);
    rig.proxy.cut();
    rig.proxy.set('flow', 'to-client');
    expect(await answer).toMatchObject({ outcome: 'unknown' });
    await untilReachable(() => rig.store.grantLease(60_000));
    expect(await rig.metric('etcd_debugging_lease_granted_total')).toBe(before + 2);
  });

  it('a refused connection makes writes unknown and reads throw, at once', async () => {
    const store = rig.connect();
    rig.proxy.refuse();
    expect(await store.txn({ compares: [], success: [put('/refused')] })).toMatchObject({ outcome: 'unknown' });
    await expect(store.get('/refused')).rejects.toMatchObject({ code: 'store-unreachable' });
    expect(await store.keepAlive('1' as LeaseId)).toMatchObject({ outcome: 'unknown' });
    rig.proxy.accept();
    await untilReachable(() => store.txn({ compares: [], success: [] }));
    await store.close();
  });
});

describe('fault 3: a keep-alive is answered or unknown by its own deadline', () => {
  it('while the server is stopped it is unknown, and when it goes on the lease still lives', async () => {
    const lease = await grant(rig.store, 60_000);
    expect(await rig.store.keepAlive(lease)).toMatchObject({ outcome: 'alive' });
    rig.etcd.pause();
    const answer = await rig.store.keepAlive(lease, { deadlineMs: 200 });
    rig.etcd.resume();
    expect(answer).toMatchObject({ outcome: 'unknown', cause: { code: 'outcome-unknown' } });
    expect(await rig.store.keepAlive(lease)).toEqual({ outcome: 'alive', ttlMs: 60_000 });
  });

  it('a late answer is never taken for that of a later keep-alive', async () => {
    const lease = await grant(rig.store, 60_000);
    const renewed = () => rig.metric('etcd_debugging_lease_renewed_total');
    await rig.store.keepAlive(lease);
    const before = await renewed();
    rig.proxy.set('hold', 'to-client');
    const first = rig.store.keepAlive(lease, { deadlineMs: 500 });
    await pollUntil(async () => (await renewed()) > before);
    expect(await first).toMatchObject({ outcome: 'unknown' });
    await rig.direct.revokeLease(lease);
    const second = rig.store.keepAlive(lease);
    rig.proxy.set('flow', 'to-client');
    expect(await second).toEqual({ outcome: 'expired' });
  });
});

describe('fault 4: large reads', () => {
  it('over 4 MiB arrive in one page, and the next call works', async () => {
    const prefix = rig.prefix();
    for (let i = 0; i < 6; i += 1) {
      await write(rig.direct, { op: 'put', key: `${prefix}${i}`, value: Buffer.alloc(1_000_000, 'v') });
    }
    const { kvs, more } = await rig.store.range({ start: prefix, end: prefixEnd(prefix) });
    expect({ keys: kvs.length, more }).toEqual({ keys: 6, more: false });
    await rig.store.get(`${prefix}0`);

    const narrow = rig.connect({ replyBytesMax: 2_500_000 });
    const seen: string[] = [];
    let start = prefix;
    for (;;) {
      const page = await narrow.range({ start, end: prefixEnd(prefix) });
      seen.push(...page.kvs.map(({ key }) => key.slice(prefix.length)));
      if (!page.more) break;
      expect(page.kvs.length).toBeLessThan(6);
      start = `${page.kvs.at(-1)?.key} `;
    }
    expect(seen).toEqual(['0', '1', '2', '3', '4', '5']);
  });
});

describe('fault 5: streams are shared', () => {
  it('a hundred leases and a hundred watches take one stream of each kind and one connection', async () => {
    const started = async (method: string) => rig.metric('grpc_server_started_total', `grpc_method="${method}"`);
    const [keepAlives, watches, accepted] = [
      await started('LeaseKeepAlive'),
      await started('Watch'),
      rig.proxy.accepted,
    ];
    const store = rig.connect();
    const leases = await Promise.all(Array.from({ length: 100 }, () => grant(store, 60_000)));
    for (let round = 0; round < 3; round += 1) {
      const answers = await Promise.all(leases.map((lease) => store.keepAlive(lease)));
      expect(answers).toEqual(leases.map(() => ({ outcome: 'alive', ttlMs: 60_000 })));
    }
    const prefix = rig.prefix();
    const start = await write(store, put(`${prefix}start`));
    const all = leases.map((_, i) => watching(store, `${prefix}${String(i).padStart(3, '0')}/`, nextRevision(start)));
    for (let i = 0; i < all.length; i += 1) await write(store, put(`${prefix}${String(i).padStart(3, '0')}/k`, `${i}`));
    await Promise.all(all.map(({ recorder }) => recorder.until(({ events }) => events.length === 1)));
    expect(all.map(({ recorder }) => recorder.events.map(valueIn))).toEqual(all.map((_, i) => [`${i}`]));
    expect(await started('LeaseKeepAlive')).toBe(keepAlives + 1);
    expect(await started('Watch')).toBe(watches + 1);
    expect(rig.proxy.accepted).toBe(accepted + 1);
    await store.close();
  });
});

describe('fault 6: a compaction under a watch', () => {
  it('that was cut off meanwhile ends it with the reason; the process lives and a new watch works', async () => {
    const prefix = rig.prefix();
    const start = await write(rig.direct, put(`${prefix}k`, '0'));
    const { recorder } = watching(rig.store, prefix, start);
    await recorder.until(({ events }) => events.length === 1);
    rig.proxy.refuse();
    await write(rig.direct, put(`${prefix}k`, '1'));
    await rig.direct.compact(await write(rig.direct, put(`${prefix}k`, '2')));
    rig.proxy.accept();
    await recorder.until(({ lost }) => lost !== undefined);
    expect(recorder.lost?.reason).toBe('compacted');
    expect(recorder.events.map(valueIn)).toEqual(['0']);
    const { kv, revision } = await untilReachable(() => rig.store.get(`${prefix}k`));
    expect(kv?.value.toString()).toBe('2');
    const again = watching(rig.store, prefix, nextRevision(revision));
    await write(rig.direct, put(`${prefix}k`, '3'));
    await again.recorder.until(({ events }) => events.length === 1);
    expect(recorder.events).toHaveLength(1);
    again.cancel();
  });
});

describe('fault 7: a half-open connection', () => {
  it('costs one deadline: calls and watches then go on over a fresh connection', async () => {
    const prefix = rig.prefix();
    const start = await write(rig.store, put(`${prefix}k`, '0'));
    const { recorder, cancel } = watching(rig.store, prefix, nextRevision(start));
    await write(rig.direct, put(`${prefix}k`, '1'));
    await recorder.until(({ events }) => events.length === 1);
    rig.proxy.set('swallow');
    await expect(rig.store.get(`${prefix}k`, { deadlineMs: 300 })).rejects.toMatchObject({ code: 'store-unreachable' });
    rig.proxy.set('flow');
    await write(rig.direct, put(`${prefix}k`, '2'));
    expect((await rig.store.get(`${prefix}k`, { deadlineMs: 2000 })).kv?.value.toString()).toBe('2');
    await recorder.until(({ events }) => events.length === 2);
    cancel();
  });

  it('under a watch nobody else uses is found by pings', async () => {
    const store = rig.connect();
    const prefix = rig.prefix();
    const start = await write(rig.direct, put(`${prefix}k`, '0'));
    const { recorder, cancel } = watching(store, prefix, start);
    await recorder.until(({ events }) => events.length === 1);
    rig.proxy.set('swallow', 'to-client');
    await write(rig.direct, put(`${prefix}k`, '1'));
    await rig.proxy.nextConnection();
    rig.proxy.set('flow');
    await recorder.until(({ events }) => events.length === 2);
    expect(recorder.events.map(valueIn)).toEqual(['0', '1']);
    cancel();
    await store.close();
  });
});

describe('fault 10: one failed call is no reason to disturb the others', () => {
  it('a call and a watch on the same connection outlive another call that ran into its deadline', async () => {
    const prefix = rig.prefix();
    const store = rig.connect();
    const start = await write(store, put(`${prefix}k`, '0'));
    const accepted = rig.proxy.accepted;
    rig.etcd.pause();
    const patient = store.txn({ compares: [sameCreation(`${prefix}k`, start)], success: [put(`${prefix}k`, '1')] });
    await expect(store.get(`${prefix}k`, { deadlineMs: 100 })).rejects.toMatchObject({ code: 'store-unreachable' });
    rig.etcd.resume();
    expect(await patient).toMatchObject({ outcome: 'applied' });
    expect(rig.proxy.accepted).toBe(accepted);
    await store.close();
  });
});

describe('fault 12: a deletion at the very revision that was compacted', () => {
  it('is not passed over in silence: a watch from there is lost', async () => {
    const prefix = rig.prefix();
    await write(rig.direct, put(`${prefix}k`));
    const deleted = await write(rig.direct, del(`${prefix}k`));
    await write(rig.direct, put(`${prefix}other`));
    await rig.direct.compact(deleted);
    const { recorder, cancel } = watching(rig.store, prefix, deleted);
    await recorder.until(({ lost, events }) => lost !== undefined || events.length > 0);
    expect(recorder.lost?.reason).toBe('compacted');
    cancel();
  });
});

/** Asks until the store is reached: a connection that was cut is being made again. */
async function untilReachable<T extends object>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && !('outcome' in answer && answer.outcome === 'unknown')) return answer;
    await rig.direct.status();
  }
}

/** Asks etcd's own counters until they show it; each look is a request to the server, not a wait. */
async function pollUntil(done: () => Promise<boolean>): Promise<void> {
  while (!(await done()));
}

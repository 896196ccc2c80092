import { describe, expect, it } from 'vitest';
import { nextRevision, prefixEnd, type Revision } from '../port.ts';
import type { Subject } from './conformance.ts';
import { del, known, put, write } from './requests.ts';
import { WatchRecorder } from './watch-recorder.ts';

export function watchTests(subject: Subject): void {
  const watching = (prefix: string, fromRevision: Revision) => {
    const recorder = new WatchRecorder();
    const { cancel } = subject.store.watch({ start: prefix, end: prefixEnd(prefix), fromRevision }, recorder);
    return { recorder, cancel };
  };

  describe('watches', () => {
    it('tell puts and deletes in order, with what the keys carry, and nothing that was not written', async () => {
      const prefix = subject.prefix();
      const key = `${prefix}k`;
      const start = await write(subject.store, put(`${prefix}before`));
      const { recorder, cancel } = watching(prefix, nextRevision(start));
      const created = await write(subject.store, put(key, '1'));
      const changed = await write(subject.store, put(key, '2'));
      const deleted = await write(subject.store, del(key));
      await write(subject.store, del(key));
      const again = await write(subject.store, put(key, '3'));
      await recorder.until(({ events }) => events.length >= 4);
      const kv = (value: string, createRevision: Revision, modRevision: Revision) => ({
        type: 'put',
        kv: { key, value: Buffer.from(value), createRevision, modRevision },
      });
      expect(recorder.events).toEqual([
        kv('1', created, created),
        kv('2', created, changed),
        { type: 'delete', key, modRevision: deleted },
        kv('3', again, again),
      ]);
      expect(recorder.calls.at(-1)?.revision).toBe(again);
      cancel();
    });

    it('never tell anything within the write, nor within the call that opens them', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}a`));
      const { recorder, cancel } = watching(prefix, start);
      expect(recorder.events).toEqual([]);
      const writing = subject.store.txn({ compares: [], success: [put(`${prefix}b`)] });
      expect(recorder.events).toEqual([]);
      await writing;
      await recorder.until(({ events }) => events.length === 2);
      cancel();
    });

    it('hand over whole revisions: all the keys of a batch in one call', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}start`));
      const { recorder, cancel } = watching(prefix, nextRevision(start));
      const keys = Array.from({ length: 100 }, (_, i) => `${prefix}${String(i).padStart(3, '0')}`);
      for (let round = 0; round < 5; round += 1) {
        const items = keys.map((key) => ({ compares: [], success: [put(key, String(round))] }));
        known(await subject.store.batch({ compares: [], items }));
      }
      await recorder.until(({ events }) => events.length === 500);
      for (const { events, revision } of recorder.calls) {
        expect(events.length % 100).toBe(0);
        const last = events.at(-1);
        expect(last?.type === 'put' && last.kv.modRevision).toBe(revision);
      }
      expect(recorder.events.map((event) => event.type === 'put' && event.kv.key)).toEqual(
        Array.from({ length: 5 }, () => keys).flat(),
      );
      cancel();
    });

    it('catch up from an old revision, that revision included, and then go on live', async () => {
      const prefix = subject.prefix();
      await write(subject.store, put(`${prefix}a`, '0'));
      const from = await write(subject.store, put(`${prefix}a`, '1'));
      for (let i = 2; i < 2500; i += 1) await write(subject.store, put(`${prefix}a`, String(i)));
      const { recorder, cancel } = watching(prefix, from);
      for (let i = 2500; i < 3000; i += 1) await write(subject.store, put(`${prefix}a`, String(i)));
      await recorder.until(({ events }) => events.length >= 2999);
      expect(recorder.lines()).toEqual(Array.from({ length: 2999 }, (_, i) => `put ${prefix}a=${i + 1}`));
      cancel();
    });

    it('tell only keys of their range: not its end, not a longer neighbour, not a shorter one', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}x`));
      const { recorder, cancel } = watching(`${prefix}a/`, nextRevision(start));
      for (const name of ['a', 'a.', 'a/', 'a/1', 'a/~', 'a0', 'b']) await write(subject.store, put(prefix + name));
      await write(subject.store, put(`${prefix}a/end`));
      await recorder.until(({ events }) =>
        events.some((event) => event.type === 'put' && event.kv.key.endsWith('end')),
      );
      expect(recorder.lines()).toEqual(['a/', 'a/1', 'a/~', 'a/end'].map((name) => `put ${prefix}${name}=x`));
      cancel();
    });

    it('from a revision that lies ahead tell nothing before it', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}0`));
      const { recorder, cancel } = watching(prefix, String(BigInt(start) + 3n) as Revision);
      for (const name of ['1', '2', '3', '4']) await write(subject.store, put(prefix + name));
      await recorder.until(({ events }) => events.length >= 2);
      expect(recorder.lines()).toEqual([`put ${prefix}3=x`, `put ${prefix}4=x`]);
      cancel();
    });

    it('two watchers of one range are told the same', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}0`));
      const one = watching(prefix, start);
      const two = watching(prefix, start);
      await write(subject.store, put(`${prefix}1`), put(`${prefix}2`));
      await Promise.all([one, two].map(({ recorder }) => recorder.until(({ events }) => events.length === 3)));
      expect(one.recorder.lines()).toEqual(two.recorder.lines());
      one.cancel();
      two.cancel();
    });

    it('say nothing more once cancelled, and others go on', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}0`));
      const one = watching(prefix, start);
      const two = watching(prefix, start);
      await one.recorder.until(({ events }) => events.length === 1);
      one.cancel();
      one.cancel();
      await write(subject.store, put(`${prefix}1`));
      await two.recorder.until(({ events }) => events.length === 2);
      expect(one.recorder.events).toHaveLength(1);
      expect(one.recorder.lost).toBeUndefined();
      two.cancel();
    });

    it('cancelled before they have begun never say a word', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}0`));
      const one = watching(prefix, start);
      one.cancel();
      const two = watching(prefix, start);
      await two.recorder.until(({ events }) => events.length === 1);
      expect(one.recorder.calls).toEqual([]);
      two.cancel();
    });

    it('whose start has been compacted away are lost, once, with the reason', async () => {
      const prefix = subject.prefix();
      const old = await write(subject.store, put(`${prefix}a`, '1'));
      const kept = await write(subject.store, put(`${prefix}a`, '2'));
      const last = await write(subject.store, put(`${prefix}a`, '3'));
      await subject.store.compact(kept);
      for (const from of [old, kept]) {
        const { recorder, cancel } = watching(prefix, from);
        await recorder.until(({ lost }) => lost !== undefined);
        expect(recorder.lost?.reason).toBe('compacted');
        expect(recorder.events).toEqual([]);
        cancel();
      }
      const { recorder, cancel } = watching(prefix, nextRevision(kept));
      await recorder.until(({ events }) => events.length > 0);
      expect(recorder.lines()).toEqual([`put ${prefix}a=3`]);
      expect(recorder.calls[0]?.revision).toBe(last);
      cancel();
    });

    it('that are up to date go on through a compaction', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}a`, '1'));
      const { recorder, cancel } = watching(prefix, start);
      await recorder.until(({ events }) => events.length === 1);
      const last = await write(subject.store, put(`${prefix}a`, '2'));
      await subject.store.compact(last);
      await write(subject.store, put(`${prefix}a`, '3'));
      await recorder.until(({ events }) => events.length === 3);
      expect(recorder.lost).toBeUndefined();
      cancel();
    });
  });

  describe('closing', () => {
    it('ends the watches in silence; later reads reject, later writes are unknown', async () => {
      const prefix = subject.prefix();
      const store = subject.connect();
      const start = await write(store, put(`${prefix}a`));
      const recorder = new WatchRecorder();
      store.watch({ start: prefix, end: prefixEnd(prefix), fromRevision: start }, recorder);
      await recorder.until(({ events }) => events.length === 1);
      await store.close();
      await store.close();
      await expect(store.get(`${prefix}a`)).rejects.toMatchObject({ code: 'store-unreachable' });
      expect(await store.txn({ compares: [], success: [put(`${prefix}b`)] })).toMatchObject({ outcome: 'unknown' });
      expect(await store.grantLease(5000)).toMatchObject({ outcome: 'unknown' });
      const other = watching(prefix, start);
      await write(subject.store, put(`${prefix}c`));
      await other.recorder.until(({ events }) => events.length === 2);
      expect(recorder.events).toHaveLength(1);
      expect(recorder.lost).toBeUndefined();
      other.cancel();
    });
  });
}

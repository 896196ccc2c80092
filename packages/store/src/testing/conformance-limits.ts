import { describe, expect, it } from 'vitest';
import {
  absent,
  BATCH_ITEMS_MAX,
  batchItemsMax,
  type Op,
  prefixEnd,
  REQUEST_BYTES_MAX,
  type Revision,
  TXN_OPS_MAX,
  type Txn,
} from '../port.ts';
import type { Subject } from './conformance.ts';
import { contents, del, known, put, read, write } from './requests.ts';

export function limitTests(subject: Subject): void {
  const named = (prefix: string, count: number) =>
    Array.from({ length: count }, (_, i) => prefix + String(i).padStart(4, '0'));
  const item = (key: string, ops = 1): Txn => ({
    compares: [absent(key)],
    success: named(`${key}-`, ops).map((name) => put(name)),
  });

  describe('limits', () => {
    it(`${TXN_OPS_MAX} operations in a transaction pass, one more is refused before anything happens`, async () => {
      const prefix = subject.prefix();
      await write(subject.store, ...named(prefix, TXN_OPS_MAX).map((key) => put(key)));
      const ops = named(`${prefix}x`, TXN_OPS_MAX + 1).map((key) => put(key));
      await expect(subject.store.txn({ compares: [], success: ops })).rejects.toMatchObject({ code: 'too-large' });
      await expect(subject.store.txn({ compares: [], success: [], failure: ops })).rejects.toMatchObject({
        code: 'too-large',
      });
      const compares = ops.map((op) => absent(op.key));
      await expect(subject.store.txn({ compares, success: [] })).rejects.toMatchObject({ code: 'too-large' });
      expect(await contents(subject.store, prefix)).toHaveLength(TXN_OPS_MAX);
    });

    it(`${BATCH_ITEMS_MAX} items of one or two operations pass, one more is refused`, async () => {
      for (const ops of [1, 2]) {
        const prefix = subject.prefix();
        const items = named(prefix, BATCH_ITEMS_MAX).map((key) => item(key, ops));
        const answer = known(await subject.store.batch({ compares: [], items }));
        expect(answer.outcome === 'applied' && answer.items.every((one) => one.outcome === 'applied')).toBe(true);
      }
      const items = named(subject.prefix(), BATCH_ITEMS_MAX + 1).map((key) => item(key, 2));
      await expect(subject.store.batch({ compares: [], items })).rejects.toMatchObject({ code: 'too-large' });
    });

    it.each([
      [0, 3],
      [2, 2],
      [1, 6],
      [2, 100],
    ])('with %i outer writes and %i operations an item, batchItemsMax is what passes', async (outerOps, itemOps) => {
      const prefix = subject.prefix();
      const items = named(prefix, batchItemsMax(outerOps, itemOps) + 1).map((key) => item(key, itemOps));
      const success = named(`${prefix}outer`, outerOps).map((key) => put(key));
      await expect(subject.store.batch({ compares: [], success, items })).rejects.toMatchObject({ code: 'too-large' });
      items.pop();
      expect(await subject.store.batch({ compares: [], success, items })).toMatchObject({ outcome: 'applied' });
    });

    it('a request of 1 MiB is the largest; a larger one is refused before anything happens', async () => {
      const prefix = subject.prefix();
      const half = Buffer.alloc(REQUEST_BYTES_MAX / 2 - 200, 'v');
      const large: Op[] = [
        { op: 'put', key: `${prefix}a`, value: half },
        { op: 'put', key: `${prefix}b`, value: half },
      ];
      await write(subject.store, ...large);
      const tooLarge = [...large, put(`${prefix}c`, 'v'.repeat(400))];
      await expect(subject.store.txn({ compares: [], success: tooLarge })).rejects.toMatchObject({ code: 'too-large' });
      const items = tooLarge.map((op) => ({ compares: [], success: [op] }));
      await expect(subject.store.batch({ compares: [], items })).rejects.toMatchObject({ code: 'too-large' });
      const { kvs } = await subject.store.range({ start: prefix, end: prefixEnd(prefix), keysOnly: true });
      expect(kvs.map((kv) => kv.key)).toEqual([`${prefix}a`, `${prefix}b`]);
    });

    it.each<[string, (key: string) => Op[]]>([
      ['two puts', (key) => [put(key), put(key)]],
      ['a put and a delete', (key) => [put(key), del(key)]],
      ['a delete and a put', (key) => [del(key), put(key)]],
      ['two deletes', (key) => [del(key), del(key)]],
      ['a put and a range delete over it', (key) => [put(key), del(key, prefixEnd(key))]],
      ['a range delete and a put in it', (key) => [del(key, prefixEnd(key)), put(`${key}/1`)]],
      ['two range deletes that overlap', (key) => [del(key, prefixEnd(key)), del(`${key}/`, prefixEnd(`${key}/`))]],
    ])('%s of one key are refused, in a transaction and in two items of a batch', async (_what, ops) => {
      const prefix = subject.prefix();
      const writes = ops(`${prefix}k`);
      await expect(subject.store.txn({ compares: [], success: writes })).rejects.toMatchObject({ code: 'bad-request' });
      const items = writes.map((op) => ({ compares: [], success: [op] }));
      await expect(subject.store.batch({ compares: [], items })).rejects.toMatchObject({ code: 'bad-request' });
      const [outer, inner] = writes as [Op, Op];
      await expect(
        subject.store.batch({ compares: [], success: [outer], items: [{ compares: [], success: [inner] }] }),
      ).rejects.toMatchObject({ code: 'bad-request' });
      expect(await contents(subject.store, prefix)).toEqual([]);
    });

    it('the two alternatives of a transaction or of an item may write the same key', async () => {
      const prefix = subject.prefix();
      const either = (key: string): Txn => ({
        compares: [absent(key)],
        success: [put(key, 'new')],
        failure: [put(key, 'again'), read(key)],
      });
      expect(await subject.store.txn(either(`${prefix}a`))).toMatchObject({ outcome: 'applied' });
      const items = [either(`${prefix}a`), either(`${prefix}b`)];
      expect(await subject.store.batch({ compares: [], items })).toMatchObject({
        items: [{ outcome: 'refused' }, { outcome: 'applied' }],
      });
      expect(await contents(subject.store, prefix)).toEqual(['a=again', 'b=new']);
    });

    it('a malformed key, range, limit or revision is refused with its name', async () => {
      const prefix = subject.prefix();
      const bad = { code: 'bad-request' };
      await expect(subject.store.get('')).rejects.toMatchObject(bad);
      await expect(subject.store.get('/grün')).rejects.toMatchObject(bad);
      await expect(subject.store.get(`/${'k'.repeat(2048)}`)).rejects.toMatchObject(bad);
      await expect(write(subject.store, put('/line\nbreak'))).rejects.toMatchObject(bad);
      await expect(subject.store.range({ start: prefix, end: prefix })).rejects.toMatchObject(bad);
      for (const limit of [0, 1001, 1.5]) {
        await expect(subject.store.range({ start: prefix, end: prefixEnd(prefix), limit })).rejects.toMatchObject(bad);
      }
      await expect(
        subject.store.range({ start: prefix, end: prefixEnd(prefix), revision: '-1' as Revision }),
      ).rejects.toMatchObject(bad);
      await expect(subject.store.grantLease(0)).rejects.toMatchObject(bad);
      expect(() =>
        subject.store.watch({ start: prefix, end: prefixEnd(prefix), fromRevision: '0' as Revision }, silent),
      ).toThrow(/fromRevision/);
    });
  });
}

const silent = { onEvents() {}, onLost() {} };

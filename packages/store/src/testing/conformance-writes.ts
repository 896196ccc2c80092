import { describe, expect, it } from 'vitest';
import { absent, exists, nextRevision, prefixEnd, unchanged } from '../port.ts';
import type { Subject } from './conformance.ts';
import { contents, del, known, put, read, write } from './requests.ts';

export function writeTests(subject: Subject): void {
  describe('transactions', () => {
    it('an applied write is one revision, which its keys carry', async () => {
      const prefix = subject.prefix();
      const first = await write(subject.store, put(`${prefix}a`), put(`${prefix}b`));
      const second = await write(subject.store, put(`${prefix}a`, 'y'));
      expect(second).toBe(nextRevision(first));
      const { kv } = await subject.store.get(`${prefix}a`);
      expect(kv).toEqual({
        key: `${prefix}a`,
        value: Buffer.from('y'),
        createRevision: first,
        modRevision: second,
      });
    });

    it('a refused write, one that only reads, and a delete of nothing make no revision', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}a`));
      const refused = await subject.store.txn({ compares: [absent(`${prefix}a`)], success: [put(`${prefix}b`)] });
      expect(refused).toEqual({ outcome: 'refused', revision: start, answers: [] });
      const reading = await subject.store.txn({ compares: [], success: [read(`${prefix}a`)] });
      expect(reading).toMatchObject({ outcome: 'applied', revision: start });
      const nothing = await subject.store.txn({ compares: [], success: [del(`${prefix}nothing`)] });
      expect(nothing).toEqual({ outcome: 'applied', revision: start, answers: [{ op: 'delete', deleted: 0 }] });
      expect(await write(subject.store, put(`${prefix}c`))).toBe(nextRevision(start));
    });

    it('a refused transaction runs its failure part: reads that tell why, and writes too', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}a`, 'theirs'));
      const refused = known(
        await subject.store.txn({
          compares: [absent(`${prefix}a`)],
          success: [put(`${prefix}a`, 'mine')],
          failure: [read(`${prefix}a`), read(`${prefix}none`), put(`${prefix}seen`)],
        }),
      );
      expect(refused).toMatchObject({ outcome: 'refused', revision: nextRevision(start) });
      expect(refused.answers).toMatchObject([
        { op: 'get', kv: { value: Buffer.from('theirs'), modRevision: start } },
        { op: 'get', kv: undefined },
        { op: 'put' },
      ]);
      expect(await contents(subject.store, prefix)).toEqual(['a=theirs', 'seen=x']);
    });

    it('a read in a transaction sees the writes before it, not those after it', async () => {
      const prefix = subject.prefix();
      const { answers, revision } = known(
        await subject.store.txn({
          compares: [],
          success: [read(`${prefix}a`), put(`${prefix}a`, 'new'), read(`${prefix}a`)],
        }),
      );
      expect(answers).toEqual([
        { op: 'get', kv: undefined },
        { op: 'put' },
        {
          op: 'get',
          kv: { key: `${prefix}a`, value: Buffer.from('new'), createRevision: revision, modRevision: revision },
        },
      ]);
    });

    it('a range delete removes what begins with the prefix and counts it, and leaves the neighbours', async () => {
      const prefix = subject.prefix();
      await write(subject.store, put(`${prefix}a/1`), put(`${prefix}a/2`), put(`${prefix}a0`), put(`${prefix}a`));
      const answer = await subject.store.txn({ compares: [], success: [del(`${prefix}a/`, prefixEnd(`${prefix}a/`))] });
      expect(answer).toMatchObject({ answers: [{ op: 'delete', deleted: 2 }] });
      expect(await contents(subject.store, prefix)).toEqual(['a=x', 'a0=x']);
    });

    it('a key put again after its deletion has a new create revision', async () => {
      const key = `${subject.prefix()}k`;
      await write(subject.store, put(key));
      await write(subject.store, del(key));
      const again = await write(subject.store, put(key));
      expect((await subject.store.get(key)).kv).toMatchObject({ createRevision: again, modRevision: again });
    });

    it('values keep every byte, and may be empty', async () => {
      const prefix = subject.prefix();
      const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
      await write(subject.store, { op: 'put', key: `${prefix}bytes`, value: bytes }, put(`${prefix}empty`, ''));
      expect((await subject.store.get(`${prefix}bytes`)).kv?.value.equals(bytes)).toBe(true);
      expect((await subject.store.get(`${prefix}empty`)).kv?.value).toHaveLength(0);
    });
  });

  describe('batches', () => {
    it('one refused item does not fail the others; all share one revision', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}a`, 'old'), put(`${prefix}b`, 'old'));
      const batch = known(
        await subject.store.batch({
          compares: [exists(`${prefix}a`)],
          items: [
            { compares: [unchanged(`${prefix}a`, start)], success: [put(`${prefix}a`, 'new')] },
            {
              compares: [absent(`${prefix}b`)],
              success: [put(`${prefix}b`, 'new')],
              failure: [read(`${prefix}b`)],
            },
            { compares: [absent(`${prefix}c`)], success: [put(`${prefix}c`, 'new'), read(`${prefix}c`)] },
          ],
        }),
      );
      const revision = nextRevision(start);
      expect(batch).toMatchObject({
        outcome: 'applied',
        revision,
        answers: [],
        items: [
          { outcome: 'applied', answers: [{ op: 'put' }] },
          { outcome: 'refused', answers: [{ op: 'get', kv: { modRevision: start } }] },
          { outcome: 'applied', answers: [{ op: 'put' }, { op: 'get', kv: { modRevision: revision } }] },
        ],
      });
      expect(await contents(subject.store, prefix)).toEqual(['a=new', 'b=old', 'c=new']);
    });

    it('when an outer compare fails nothing of the batch happens and its failure part runs', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}header`));
      const batch = await subject.store.batch({
        compares: [absent(`${prefix}header`)],
        success: [put(`${prefix}header`, 'advanced')],
        items: [{ compares: [], success: [put(`${prefix}a`)] }],
        failure: [read(`${prefix}header`)],
      });
      expect(batch).toMatchObject({
        outcome: 'refused',
        revision: start,
        answers: [{ op: 'get', kv: { modRevision: start } }],
      });
      expect(await contents(subject.store, prefix)).toEqual(['header=x']);
    });

    it('the outer writes happen once, though every item be refused', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}header`, '0'));
      const batch = await subject.store.batch({
        compares: [unchanged(`${prefix}header`, start)],
        success: [put(`${prefix}header`, '1')],
        items: [{ compares: [exists(`${prefix}none`)], success: [put(`${prefix}a`)] }],
      });
      expect(batch).toMatchObject({
        outcome: 'applied',
        revision: nextRevision(start),
        answers: [{ op: 'put' }],
        items: [{ outcome: 'refused', answers: [] }],
      });
      expect(await contents(subject.store, prefix)).toEqual(['header=1']);
    });

    it('a batch whose every item is refused makes no revision', async () => {
      const prefix = subject.prefix();
      const start = await write(subject.store, put(`${prefix}a`));
      const batch = await subject.store.batch({
        compares: [],
        items: [{ compares: [absent(`${prefix}a`)], success: [put(`${prefix}a`)] }],
      });
      expect(batch).toMatchObject({ outcome: 'applied', revision: start });
    });

    it('every compare of a batch sees the state before it, whatever an earlier item writes', async () => {
      const prefix = subject.prefix();
      const batch = known(
        await subject.store.batch({
          compares: [],
          items: [
            { compares: [absent(`${prefix}a`)], success: [put(`${prefix}a`)] },
            { compares: [absent(`${prefix}a`)], success: [put(`${prefix}b`), read(`${prefix}a`)] },
          ],
        }),
      );
      expect(batch).toMatchObject({
        items: [{ outcome: 'applied' }, { outcome: 'applied', answers: [{}, { kv: { key: `${prefix}a` } }] }],
      });
    });

    it('an empty batch is applied and makes no revision', async () => {
      const { revision } = await subject.store.get(`${subject.prefix()}k`);
      expect(await subject.store.batch({ compares: [], items: [] })).toEqual({
        outcome: 'applied',
        revision,
        answers: [],
        items: [],
      });
    });
  });
}

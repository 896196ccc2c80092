import { describe, expect, it } from 'vitest';
import {
  absent,
  type Compare,
  exists,
  nextRevision,
  type Revision,
  sameCreation,
  toRevision,
  unchanged,
} from '../port.ts';
import type { Subject } from './conformance.ts';
import { known, put, write } from './requests.ts';

export function compareTests(subject: Subject): void {
  const outcome = async (...compares: Compare[]) =>
    known(await subject.store.txn({ compares, success: [] })).outcome === 'applied';

  describe('compares', () => {
    it('"absent" holds for a key that is not there and for one that was deleted, "exists" for the others', async () => {
      const key = `${subject.prefix()}k`;
      expect(await outcome(absent(key))).toBe(true);
      expect(await outcome(exists(key))).toBe(false);
      await write(subject.store, put(key));
      expect(await outcome(absent(key))).toBe(false);
      expect(await outcome(exists(key))).toBe(true);
      await write(subject.store, { op: 'delete', key });
      expect(await outcome(absent(key))).toBe(true);
    });

    it('"unchanged" fails after any put, even of the same value, and after delete and put', async () => {
      const key = `${subject.prefix()}k`;
      const first = await write(subject.store, put(key, 'a'));
      expect(await outcome(unchanged(key, first))).toBe(true);
      const second = await write(subject.store, put(key, 'a'));
      expect(await outcome(unchanged(key, first))).toBe(false);
      expect(await outcome(unchanged(key, second))).toBe(true);
      await write(subject.store, { op: 'delete', key });
      expect(await outcome(unchanged(key, second))).toBe(false);
    });

    it('"same creation" survives puts and ends with a delete', async () => {
      const key = `${subject.prefix()}k`;
      const created = await write(subject.store, put(key, 'a'));
      await write(subject.store, put(key, 'b'));
      expect(await outcome(sameCreation(key, created))).toBe(true);
      await write(subject.store, { op: 'delete', key });
      await write(subject.store, put(key, 'c'));
      expect(await outcome(sameCreation(key, created))).toBe(false);
    });

    it.each(['mod', 'create'] as const)(
      'every operator on the %s revision decides as arithmetic does',
      async (target) => {
        const key = `${subject.prefix()}k`;
        const own = await write(subject.store, put(key));
        const below = toRevision(BigInt(own) - 1n);
        const above = nextRevision(own);
        const holds = (op: '=' | '<' | '>' | '!=', revision: Revision) => outcome({ key, target, op, revision });
        for (const revision of [below, own, above]) {
          const expected = BigInt(own) - BigInt(revision);
          expect(await holds('=', revision)).toBe(expected === 0n);
          expect(await holds('!=', revision)).toBe(expected !== 0n);
          expect(await holds('<', revision)).toBe(expected < 0n);
          expect(await holds('>', revision)).toBe(expected > 0n);
        }
      },
    );

    it('revisions beyond 2^53 are compared exactly', async () => {
      const key = `${subject.prefix()}k`;
      await write(subject.store, put(key));
      const huge = toRevision('9223372036854775807');
      expect(await outcome({ key, target: 'mod', op: '<', revision: huge })).toBe(true);
      expect(await outcome({ key, target: 'mod', op: '=', revision: huge })).toBe(false);
    });

    it('values are compared byte by byte, strings as UTF-8', async () => {
      const key = `${subject.prefix()}k`;
      await write(subject.store, put(key, 'grün'));
      expect(await outcome({ key, target: 'value', op: '=', value: 'grün' })).toBe(true);
      expect(await outcome({ key, target: 'value', op: '=', value: Buffer.from('grün') })).toBe(true);
      expect(await outcome({ key, target: 'value', op: '!=', value: 'grun' })).toBe(true);
      expect(await outcome({ key, target: 'value', op: '!=', value: 'grün' })).toBe(false);
    });

    it('no compare of an absent value holds, not even "differs"', async () => {
      const key = `${subject.prefix()}k`;
      expect(await outcome({ key, target: 'value', op: '=', value: '' })).toBe(false);
      expect(await outcome({ key, target: 'value', op: '!=', value: 'x' })).toBe(false);
    });

    it('one compare that fails refuses the whole, wherever it stands', async () => {
      const prefix = subject.prefix();
      await write(subject.store, put(`${prefix}a`));
      expect(await outcome(exists(`${prefix}a`), absent(`${prefix}b`))).toBe(true);
      expect(await outcome(exists(`${prefix}a`), exists(`${prefix}b`))).toBe(false);
      expect(await outcome(exists(`${prefix}b`), exists(`${prefix}a`))).toBe(false);
    });
  });
}

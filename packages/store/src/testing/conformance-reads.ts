import { describe, expect, it } from 'vitest';
import { CompactedError, nextRevision, prefixEnd, type Revision } from '../port.ts';
import type { Subject } from './conformance.ts';
import { contents, del, put, write } from './requests.ts';

export function readTests(subject: Subject): void {
  describe('reads', () => {
    it('a key that is not there reads as undefined, at the current revision', async () => {
      const key = `${subject.prefix()}k`;
      const revision = await write(subject.store, put(`${key}2`));
      expect(await subject.store.get(key)).toEqual({ kv: undefined, revision });
    });

    it('a range holds its start and not its end, in the order of the bytes of the keys', async () => {
      const prefix = subject.prefix();
      await write(subject.store, ...['b', 'a', 'B', 'a/1', 'a0', 'c', 'b~', 'b!'].map((name) => put(prefix + name)));
      const { kvs } = await subject.store.range({ start: `${prefix}B`, end: `${prefix}c` });
      expect(kvs.map((kv) => kv.key.slice(prefix.length))).toEqual(['B', 'a', 'a/1', 'a0', 'b', 'b!', 'b~']);
    });

    it('pages by limit and tells whether there is more', async () => {
      const prefix = subject.prefix();
      const names = Array.from({ length: 10 }, (_, i) => String(i));
      await write(subject.store, ...names.map((name) => put(prefix + name)));
      const seen: string[] = [];
      const pages: number[] = [];
      let start = prefix;
      for (;;) {
        const page = await subject.store.range({ start, end: prefixEnd(prefix), limit: 4 });
        seen.push(...page.kvs.map((kv) => kv.key.slice(prefix.length)));
        pages.push(page.kvs.length);
        if (!page.more) break;
        start = `${page.kvs.at(-1)?.key} `;
      }
      expect(seen).toEqual(names);
      expect(pages).toEqual([4, 4, 2]);
      expect(await subject.store.range({ start: prefix, end: prefixEnd(prefix), limit: 10 })).toMatchObject({
        more: false,
      });
    });

    it('reads a range as it was at an old revision: older values, later deleted keys, no later keys', async () => {
      const prefix = subject.prefix();
      await write(subject.store, put(`${prefix}a`, '1'), put(`${prefix}b`, '1'));
      const then = await write(subject.store, put(`${prefix}a`, '2'));
      await write(subject.store, put(`${prefix}a`, '3'), del(`${prefix}b`), put(`${prefix}c`, '3'));
      const now = await write(subject.store, del(`${prefix}a`));
      expect(await contents(subject.store, prefix, then)).toEqual(['a=2', 'b=1']);
      expect(await contents(subject.store, prefix, nextRevision(then))).toEqual(['a=3', 'c=3']);
      expect(await contents(subject.store, prefix, now)).toEqual(['c=3']);
      expect(await contents(subject.store, prefix)).toEqual(['c=3']);
    });

    it('keys only: no values, the rest as it is', async () => {
      const prefix = subject.prefix();
      const revision = await write(subject.store, put(`${prefix}a`, 'value'));
      const { kvs } = await subject.store.range({ start: prefix, end: prefixEnd(prefix), keysOnly: true });
      expect(kvs).toEqual([
        { key: `${prefix}a`, value: Buffer.alloc(0), createRevision: revision, modRevision: revision },
      ]);
    });

    it('another connection reads at once what this one wrote', async () => {
      const key = `${subject.prefix()}k`;
      const other = subject.connect();
      const revision = await write(subject.store, put(key, 'seen'));
      expect((await other.get(key)).kv).toMatchObject({ value: Buffer.from('seen'), modRevision: revision });
      await other.close();
    });

    it('a revision that has not been yet is refused, naming the current one', async () => {
      const prefix = subject.prefix();
      const current = await write(subject.store, put(`${prefix}a`));
      const ahead = String(BigInt(current) + 1000n) as Revision;
      await expect(
        subject.store.range({ start: prefix, end: prefixEnd(prefix), revision: ahead }),
      ).rejects.toMatchObject({
        code: 'bad-request',
      });
      await expect(subject.store.compact(ahead)).rejects.toMatchObject({ code: 'bad-request' });
    });
  });

  describe('compaction', () => {
    it('drops what was before the revision and keeps what was then current', async () => {
      const prefix = subject.prefix();
      const old = await write(subject.store, put(`${prefix}a`, '1'), put(`${prefix}b`, '1'));
      const kept = await write(subject.store, put(`${prefix}a`, '2'), del(`${prefix}b`));
      const now = await write(subject.store, put(`${prefix}a`, '3'));
      await subject.store.compact(kept);
      await expect(contents(subject.store, prefix, old)).rejects.toBeInstanceOf(CompactedError);
      expect(await contents(subject.store, prefix, kept)).toEqual(['a=2']);
      expect(await contents(subject.store, prefix, now)).toEqual(['a=3']);
      expect((await subject.store.get(`${prefix}a`)).kv).toMatchObject({ createRevision: old, modRevision: now });
    });

    it('to a revision compacted already is no error', async () => {
      const revision = await write(subject.store, put(`${subject.prefix()}a`));
      await subject.store.compact(revision);
      await subject.store.compact(revision);
      await subject.store.compact((BigInt(revision) - 1n).toString() as Revision);
    });

    it('leaves a key that was never written again readable', async () => {
      const prefix = subject.prefix();
      const written = await write(subject.store, put(`${prefix}a`, 'old'));
      const later = await write(subject.store, put(`${prefix}b`));
      await subject.store.compact(later);
      expect(await contents(subject.store, prefix)).toEqual(['a=old', 'b=x']);
      expect((await subject.store.get(`${prefix}a`)).kv?.modRevision).toBe(written);
    });
  });

  describe('status', () => {
    it('tells the revision, the size and no alarm', async () => {
      const revision = await write(subject.store, put(`${subject.prefix()}a`));
      const status = await subject.store.status();
      expect(status.revision).toBe(revision);
      expect(status.dbBytes).toBeGreaterThan(0);
      expect(status.dbBytesInUse).toBeGreaterThan(0);
      expect(status.alarms).toEqual([]);
      expect(status.version).not.toBe('');
    });
  });
}

import { describe, expect, it } from 'vitest';
import { isLeaseNotFound } from '../errors.ts';
import { type LeaseId, nextRevision, prefixEnd } from '../port.ts';
import type { Subject } from './conformance.ts';
import { contents, del, grant, put, write } from './requests.ts';
import { WatchRecorder } from './watch-recorder.ts';

const NO_LEASE = '4611686018427387905' as LeaseId;

export function leaseTests(subject: Subject): void {
  describe('leases', () => {
    it('are granted for whole seconds, at least two, under an id beyond what a number holds', async () => {
      expect(await subject.store.grantLease(1)).toMatchObject({ outcome: 'applied', ttlMs: 2000 });
      expect(await subject.store.grantLease(15_000)).toMatchObject({ outcome: 'applied', ttlMs: 15_000 });
      const granted = await subject.store.grantLease(15_001);
      expect(granted).toMatchObject({ outcome: 'applied', ttlMs: 16_000 });
      expect(granted.outcome === 'applied' && granted.lease).toMatch(/^[1-9][0-9]{15,18}$/);
    });

    it('a key tells its lease, and a put without one takes it off', async () => {
      const key = `${subject.prefix()}k`;
      const lease = await grant(subject.store, 60_000);
      await write(subject.store, put(key, 'x', lease));
      expect((await subject.store.get(key)).kv?.lease).toBe(lease);
      await write(subject.store, put(key, 'y'));
      expect((await subject.store.get(key)).kv).not.toHaveProperty('lease');
      await subject.store.revokeLease(lease);
      expect((await subject.store.get(key)).kv?.value.toString()).toBe('y');
    });

    it('revoking deletes the keys attached, in one revision, and no others', async () => {
      const prefix = subject.prefix();
      const lease = await grant(subject.store, 60_000);
      const other = await grant(subject.store, 60_000);
      await write(subject.store, put(`${prefix}b`, 'x', lease), put(`${prefix}a`, 'x', lease), put(`${prefix}c`));
      await write(subject.store, put(`${prefix}moved`, 'x', lease), put(`${prefix}gone`, 'x', lease));
      const last = await write(subject.store, put(`${prefix}moved`, 'x', other), del(`${prefix}gone`));
      const watch = new WatchRecorder();
      const range = { start: prefix, end: prefixEnd(prefix), fromRevision: nextRevision(last) };
      const { cancel } = subject.store.watch(range, watch);
      expect(await subject.store.revokeLease(lease)).toEqual({ outcome: 'applied' });
      await watch.until(({ events }) => events.length > 0);
      const modRevision = nextRevision(last);
      expect(watch.calls).toEqual([
        {
          revision: modRevision,
          events: [
            { type: 'delete', key: `${prefix}a`, modRevision },
            { type: 'delete', key: `${prefix}b`, modRevision },
          ],
        },
      ]);
      cancel();
      expect(await contents(subject.store, prefix)).toEqual(['c=x', 'moved=x']);
      await subject.store.revokeLease(other);
    });

    it('revoking a lease without keys makes no revision; revoking twice is no error', async () => {
      const before = await write(subject.store, put(`${subject.prefix()}k`));
      const lease = await grant(subject.store, 60_000);
      expect(await subject.store.revokeLease(lease)).toEqual({ outcome: 'applied' });
      expect(await subject.store.revokeLease(lease)).toEqual({ outcome: 'applied' });
      expect((await subject.store.status()).revision).toBe(before);
    });

    it('a put with a lease that has ended refuses the whole request, definitely', async () => {
      const prefix = subject.prefix();
      const ended = await grant(subject.store, 60_000);
      await subject.store.revokeLease(ended);
      const txn = subject.store.txn({ compares: [], success: [put(`${prefix}a`), put(`${prefix}b`, 'x', ended)] });
      await expect(txn).rejects.toSatisfy(isLeaseNotFound);
      await expect(txn).rejects.toMatchObject({ code: 'wrong-state', details: { leases: [ended] } });
      const items = [
        { compares: [], success: [put(`${prefix}c`)] },
        { compares: [], success: [put(`${prefix}d`, 'x', NO_LEASE)] },
      ];
      await expect(subject.store.batch({ compares: [], items })).rejects.toSatisfy(isLeaseNotFound);
      expect(await contents(subject.store, prefix)).toEqual([]);
    });

    it('only the part that runs is asked for its leases', async () => {
      const key = `${subject.prefix()}k`;
      const answer = await subject.store.txn({ compares: [], success: [], failure: [put(key, 'x', NO_LEASE)] });
      expect(answer).toMatchObject({ outcome: 'applied' });
    });

    it('a keep-alive answers the time to live; of a lease revoked or unknown, that it has expired', async () => {
      const lease = await grant(subject.store, 5000);
      expect(await subject.store.keepAlive(lease)).toEqual({ outcome: 'alive', ttlMs: 5000 });
      await subject.store.revokeLease(lease);
      expect(await subject.store.keepAlive(lease)).toEqual({ outcome: 'expired' });
      expect(await subject.store.keepAlive(NO_LEASE)).toEqual({ outcome: 'expired' });
    });

    it('keep-alives of several leases at once each get their own answer', async () => {
      const leases = await Promise.all([5000, 6000, 7000].map((ttlMs) => grant(subject.store, ttlMs)));
      const answers = await Promise.all([...leases, NO_LEASE].map((lease) => subject.store.keepAlive(lease)));
      expect(answers).toEqual([
        { outcome: 'alive', ttlMs: 5000 },
        { outcome: 'alive', ttlMs: 6000 },
        { outcome: 'alive', ttlMs: 7000 },
        { outcome: 'expired' },
      ]);
    });

    it('a lease nobody keeps alive expires: its keys are deleted and a keep-alive comes too late', async () => {
      const prefix = subject.prefix();
      const lease = await grant(subject.store, 2000);
      const revision = await write(subject.store, put(`${prefix}node`, 'x', lease));
      const watch = new WatchRecorder();
      const { cancel } = subject
        .connect()
        .watch({ start: prefix, end: prefixEnd(prefix), fromRevision: revision }, watch);
      await subject.elapse(1999);
      expect((await subject.store.get(`${prefix}node`)).kv?.lease).toBe(lease);
      await subject.elapse(502);
      await watch.until(({ events }) => events.length === 2);
      expect(watch.lines()).toEqual([`put ${prefix}node=x`, `delete ${prefix}node`]);
      expect(await subject.store.keepAlive(lease)).toEqual({ outcome: 'expired' });
      await expect(write(subject.store, put(`${prefix}node`, 'x', lease))).rejects.toSatisfy(isLeaseNotFound);
      cancel();
    });
  });
}

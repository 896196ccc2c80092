/**
 * A full database: etcd looks at its quota when a write is asked for and again when it makes it, and the second time says that it
 * has no space though it has made it. What is thrown was not made; what was made is told as doubtful or applied.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { absent, type TxnAnswer } from '../port.ts';
import { type EtcdRig, etcdRig } from '../testing/etcd-rig.ts';

const WRITES = 120;
let rig: EtcdRig;
beforeAll(async () => {
  // The size of the database is known anew after every two writes, so that the limit is passed while writes are under way.
  rig = await etcdRig({
    args: ['--quota-backend-bytes=12000000', '--backend-batch-limit=2', '--backend-batch-interval=1ms'],
  });
});
afterAll(() => rig.stop());

test('no write that was made is told as refused for good', async () => {
  const value = Buffer.alloc(200_000, 'v');
  const answers = await Promise.all(
    Array.from({ length: WRITES }, async (_, n) => {
      const key = `/full/${n}`;
      const txn = {
        compares: [absent(key)],
        success: [{ op: 'put', key, value } as const],
        failure: [{ op: 'get', key } as const],
      };
      const answer = await rig.direct
        .txn(txn, { deadlineMs: 30_000 })
        .catch((error: unknown) => error as { code: string });
      return { key, answer };
    }),
  );
  let doubtful = 0;
  for (const { key, answer } of answers) {
    const { kv } = await rig.direct.get(key);
    if ('code' in answer) {
      expect(answer.code).toBe('unavailable');
      expect(kv).toBeUndefined();
    } else {
      const told: TxnAnswer = answer;
      if (told.outcome === 'refused') {
        doubtful++;
        expect(told).toMatchObject({ inDoubt: true, answers: [{ op: 'get', kv: { key } }] });
      } else expect(told.outcome).toBe('applied');
      expect(kv).toBeDefined();
    }
  }
  expect(doubtful).toBeGreaterThan(0);
}, 60_000);

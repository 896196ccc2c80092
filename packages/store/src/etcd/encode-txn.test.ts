import { createRequire } from 'node:module';
import { SeededRandom } from '@boi/core/testing';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Batch, Compare, Op, Revision, Txn } from '../port.ts';
import { randomStep } from '../testing/random-requests.ts';
import { TxnEncoder } from './encode-txn.ts';
import { protocol } from './protocol.ts';

const RESULT = { '=': 'Equal', '>': 'Greater', '<': 'Less', '!=': 'NotEqual' };
const TARGET = { create: 'Create', mod: 'Mod', value: 'Value' };
const text = (value: string | Uint8Array) => Buffer.from(value as Uint8Array).toString('latin1');

let type: protobuf.Type;

beforeAll(() => {
  // Loaded for 64-bit numbers, which protobufjs reads exactly only once it is set up.
  protocol();
  const file = createRequire(import.meta.url).resolve('etcd3/proto/rpc.proto');
  type = new protobuf.Root().loadSync(file, { keepCase: true }).lookupType('etcdserverpb.TxnRequest');
});

/** What protobufjs, reading etcd's own files, finds in the bytes. */
function read(bytes: Buffer): object {
  const plain = type.toObject(type.decode(bytes), { longs: String, enums: String, arrays: true, defaults: false });
  return JSON.parse(JSON.stringify(plain), (_key, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
  );
}

function compare(one: Compare): object {
  const key = one.key;
  const by = one.target === 'value' ? { value: text(one.value) } : { [`${one.target}_revision`]: one.revision };
  return { result: RESULT[one.op], target: TARGET[one.target], key, ...by };
}

function op(one: Op): object {
  const { key } = one;
  if (one.op === 'get') return { request_range: { key } };
  if (one.op === 'delete')
    return { request_delete_range: one.end === undefined ? { key } : { key, range_end: one.end } };
  const lease = one.lease === undefined ? {} : { lease: one.lease };
  return { request_put: { key, value: text(one.value), ...lease } };
}

/** The same, from the request. */
function meant(request: Txn | Batch): object {
  const items = 'items' in request ? request.items : [];
  const parts = {
    compare: request.compares.map(compare),
    success: [...(request.success ?? []).map(op), ...items.map((item) => ({ request_txn: meant(item) }))],
    failure: (request.failure ?? []).map(op),
  };
  return parts;
}

describe('an encoded transaction', () => {
  it('is what was asked, whatever came before it', () => {
    const encoder = new TxnEncoder();
    const random = new SeededRandom(7);
    const known = { prefix: '/x/', first: 1n, last: 2n ** 63n - 1n, leases: 3 };
    const leases = ['1', '7587864069352523270', String(2n ** 63n - 1n)] as never[];
    for (let i = 0; i < 300; i++) {
      const step = randomStep(random, known);
      const lease = (n: number) => leases[n] as never;
      const request = step.do === 'txn' ? step.txn(lease) : step.do === 'batch' ? step.batch(lease) : undefined;
      if (request !== undefined) expect(read(encoder.encode(request))).toEqual(meant(request));
    }
  });

  it('has revisions digit for digit, and values byte for byte, of any length', () => {
    const encoder = new TxnEncoder();
    const numbers = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
    const values = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.uint8Array({ maxLength: 40_000 }));
    fc.assert(
      fc.property(numbers, values, (number, value) => {
        const request: Txn = {
          compares: [{ key: 'k', target: 'mod', op: '>', revision: String(number) as Revision }],
          success: [{ op: 'put', key: 'k'.repeat(200), value }],
        };
        expect(read(encoder.encode(request))).toEqual(meant(request));
      }),
      {
        numRuns: 20,
        examples: [0n, 127n, 128n, 2n ** 35n - 1n, 2n ** 35n, 2n ** 53n + 1n, 2n ** 63n - 1n, 10n ** 15n].map(
          (number): [bigint, string] => [number, 'grün'],
        ),
      },
    );
  });
});

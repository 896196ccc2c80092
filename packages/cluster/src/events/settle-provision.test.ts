/** What became of announced changes of provisioning, read from what their own transactions leave. */
import type { BoiEvent, EventTrace, IntendedEvent, NodeId, ProvisionId } from '@boi/core';
import { ABSENT, type Txn } from '@boi/store';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Member } from '../membership/membership-types.ts';
import {
  askTxn,
  closeTxn,
  failTxn,
  forgetTxn,
  fulfilTxn,
  hasRequest,
  removedTxn,
  takeTxn,
} from '../provision/changes.ts';
import { needOf, type Waiting } from '../provision/need.ts';
import { type Failure, provisionCodec, provisionedCodec, type RequestRecord } from '../provision/records.ts';
import { entry, type Fixture, fixture, StaticMembership, testNode } from '../testing/fixtures.ts';
import { partsOf } from './cluster-event.ts';
import { settleIntent } from './settle-intent.ts';

const self = testNode(1);
const prq = (n: number) => `prq_01h0000000000000000000000${n}` as ProvisionId;
const request = (n: number, by: NodeId = self): RequestRecord => ({
  id: prq(n),
  by,
  at: n,
  deadlineAt: 50,
  tasks: 1,
  tokens: [],
});
const need = needOf(entry({ requires: [{ key: 'gpu', op: 'exists', value: true }] })) as NonNullable<
  ReturnType<typeof needOf>
>;
const waiting: Waiting = { ...need, tasks: 1, sinceMono: 0 };

let f: Fixture;
let member: Member;
let source: string;
beforeEach(async () => {
  f = fixture();
  const membership = await StaticMembership.create(f);
  member = await membership.join(testNode(2));
  source = f.keys.provision(waiting.hash);
});
afterEach(() => f.server.stop());

async function stored() {
  const { kv } = await f.ctx.store.get(source);
  return kv && { ...kv, record: provisionCodec.decode(kv.key, kv.value) };
}

async function withRequest() {
  const found = await stored();
  if (found === undefined || !hasRequest(found)) throw new Error('there is no request');
  return found;
}

async function apply(txn: Txn): Promise<void> {
  expect((await f.ctx.store.txn(txn)).outcome).toBe('applied');
}

/** What the store says of it. */
async function became(event: Parameters<typeof partsOf>[0], trace: Omit<EventTrace, 'source'>): Promise<string> {
  const whole = { ...partsOf(event), id: 'evt_x', at: 0, emitter: self } as unknown as BoiEvent;
  const intended: IntendedEvent = { event: whole, trace: { ...trace, source } };
  return (await settleIntent(f.ctx, intended)).outcome;
}

const requested = (n: number, base: string) =>
  became({ kind: 'provision.requested', request: prq(n), tasks: 1 }, { base, at: String(n) });
const failed = (reason: Failure, failures: number, base: string, at: number) =>
  became({ kind: 'provision.failed', request: prq(1), reason, failures }, { base, at: String(at) });
const fulfilled = (node: NodeId, base: string, at: number) =>
  became({ kind: 'provision.fulfilled', request: prq(1), node }, { base, at: String(at) });

test('a request happened when its record is there, also taken over, failed, or behind it; what another one stands for is not known', async () => {
  expect(await requested(1, ABSENT)).toBe('unknown');
  await apply(askTxn(f.keys, waiting, undefined, request(1)));
  const base = (await withRequest()).modRevision;
  expect(await requested(1, ABSENT)).toBe('happened');
  expect(await requested(2, base)).toBe('did-not-happen');
  await apply(takeTxn(await withRequest(), testNode(3), undefined));
  expect(await requested(1, ABSENT)).toBe('happened');
  expect(await requested(2, base)).toBe('unknown');
  await apply(failTxn(await withRequest(), 'deadline', 9));
  expect(await requested(1, ABSENT)).toBe('happened');
  await apply(closeTxn(await withRequest(), undefined));
  expect(await requested(1, ABSENT)).toBe('happened');
  await apply(askTxn(f.keys, waiting, await stored(), request(2)));
  expect(await requested(1, ABSENT)).toBe('happened');
  expect(await requested(2, ABSENT)).toBe('happened');
});

test('a request that brought a node happened as long as that node is known', async () => {
  await apply(askTxn(f.keys, waiting, undefined, request(1)));
  await apply(fulfilTxn(f.keys, await withRequest(), member, 20));
  expect(await requested(1, ABSENT)).toBe('happened');
});

test('a node that came of a request is the one that is recorded with it', async () => {
  await apply(askTxn(f.keys, waiting, undefined, request(1)));
  const base = (await withRequest()).modRevision;
  expect(await fulfilled(member.id, base, 20)).toBe('did-not-happen');
  await apply(takeTxn(await withRequest(), testNode(3), undefined));
  expect(await fulfilled(member.id, base, 20)).toBe('did-not-happen');
  await apply(fulfilTxn(f.keys, await withRequest(), member, 20));
  expect(await fulfilled(member.id, base, 20)).toBe('happened');
  expect(await fulfilled(member.id, base, 19)).toBe('did-not-happen');
  expect(await fulfilled(testNode(4), base, 20)).toBe('did-not-happen');
  await f.ctx.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.node(member.id) }] });
  const { kv } = await f.ctx.store.get(f.keys.provisioned(prq(1)));
  if (kv === undefined) throw new Error('nothing is recorded');
  await apply(removedTxn(f.keys, prq(1), { ...kv, record: provisionedCodec.decode(kv.key, kv.value) }));
  expect(await fulfilled(member.id, base, 20)).toBe('unknown');
});

test('a failure is the one that is recorded, of the request or of the one before it', async () => {
  await apply(askTxn(f.keys, waiting, undefined, request(1)));
  const base = (await withRequest()).modRevision;
  expect(await failed('deadline', 1, base, 9)).toBe('did-not-happen');
  await apply(takeTxn(await withRequest(), testNode(3), undefined));
  expect(await failed('deadline', 1, base, 9)).toBe('did-not-happen');
  await apply(failTxn(await withRequest(), 'refused', 10));
  for (const step of [
    async () => undefined,
    async () => apply(closeTxn(await withRequest(), 99)),
    async () => apply(askTxn(f.keys, waiting, await stored(), request(2))),
  ]) {
    await step();
    expect(await failed('refused', 1, base, 10)).toBe('happened');
    // Of another node that was faster.
    expect(await failed('refused', 1, base, 11)).toBe('did-not-happen');
    expect(await failed('deadline', 1, base, 10)).toBe('did-not-happen');
  }
  await apply(failTxn(await withRequest(), 'deadline', 12));
  expect(await failed('refused', 1, base, 10)).toBe('unknown');
  await apply(closeTxn(await withRequest(), undefined));
  await apply(forgetTxn((await stored()) as NonNullable<Awaited<ReturnType<typeof stored>>>));
  expect(await failed('refused', 1, base, 10)).toBe('unknown');
});

test('a request that brought a node has not failed', async () => {
  await apply(askTxn(f.keys, waiting, undefined, request(1)));
  const base = (await withRequest()).modRevision;
  await apply(fulfilTxn(f.keys, await withRequest(), member, 20));
  expect(await failed('deadline', 1, base, 21)).toBe('did-not-happen');
});

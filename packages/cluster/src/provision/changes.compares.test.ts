/** The compares of provisioning, each by what goes wrong without it: something changes right before the write. */
import type { NodeId, ProvisionId, TokenId } from '@boi/core';
import type { Op, Store, Txn } from '@boi/store';
import { type FaultPlan, FaultyStore } from '@boi/store/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Member } from '../membership/membership-types.ts';
import { codecs, SCHEMA_VERSION, type Stored } from '../records.ts';
import {
  depsOf,
  entry,
  type Fixture,
  fixture,
  nodeRecord,
  put,
  read,
  StaticMembership,
  testNode,
  testTask,
} from '../testing/fixtures.ts';
import { meanwhile } from '../testing/meanwhile.ts';
import { VirtualProvisioner, VirtualTokens } from '../testing/virtual-provisioner.ts';
import { askTxn, closeTxn, failTxn, forgetTxn, fulfilTxn, hasRequest, removedTxn, takeTxn } from './changes.ts';
import { needOf, type Waiting } from './need.ts';
import { Provisioning } from './provisioning.ts';
import {
  type ProvisionedRecord,
  type ProvisionRecord,
  provisionCodec,
  provisionedCodec,
  type RequestRecord,
} from './records.ts';

const one = testNode(1);
const two = testNode(2);
const id = 'prq_01h00000000000000000000001' as ProvisionId;
const token = 'tok_01h00000000000000000000001' as TokenId;
const request: RequestRecord = { id, by: one, at: 5, deadlineAt: 50, tasks: 1, tokens: [] };
const waits = entry({ requires: [{ key: 'gpu', op: 'exists', value: true }] });
const waiting: Waiting = { ...(needOf(waits) as NonNullable<ReturnType<typeof needOf>>), tasks: 1, sinceMono: 0 };
const record = (over: Partial<ProvisionRecord> = {}): ProvisionRecord => ({
  v: SCHEMA_VERSION,
  requires: [{ key: 'gpu', op: 'exists', value: true }],
  slots: 1,
  failures: 0,
  request,
  ...over,
});
let f: Fixture;
let membership: StaticMembership;
let key: string;

beforeEach(async () => {
  f = fixture();
  membership = await StaticMembership.create(f);
  await membership.join(one, { provisioner: true });
  key = f.keys.provision(waiting.hash);
});

type Need = Stored<ProvisionRecord> & { readonly record: { readonly request: RequestRecord } };
const stored = async (over: Partial<ProvisionRecord> = {}): Promise<Need> => {
  const found = await put(f, key, provisionCodec, record(over));
  if (!hasRequest(found)) throw new Error('it has none');
  return found;
};
const now = () => read(f, key, provisionCodec);
/** Sends it right after `change`, if any; answers whether it was applied. */
async function sent(txn: Txn, ...change: Op[]): Promise<boolean> {
  if (change.length > 0) await f.store.txn({ compares: [], success: change });
  return (await f.store.txn(txn)).outcome === 'applied';
}
/** As another node would: the same record, written anew. */
const touched = (over: Partial<ProvisionRecord> = {}): Op => ({
  op: 'put',
  key,
  value: provisionCodec.encode(record(over)),
});

describe('a request is not written when', () => {
  test('nothing is: it is', async () => {
    expect(await sent(askTxn(f.keys, waiting, undefined, request))).toBe(true);
    expect(await now()).toEqual(record());
  });

  test('another node has asked', async () => {
    const other = { ...request, by: two };
    expect(await sent(askTxn(f.keys, waiting, undefined, request), touched({ request: other }))).toBe(false);
    expect((await now())?.request).toEqual(other);
  });

  test('another node has asked again after a failure', async () => {
    const { request: _, ...closed } = record({ failures: 1 });
    const found = await put(f, key, provisionCodec, closed);
    const txn = askTxn(f.keys, waiting, found, request);
    expect(await sent(txn, touched({ failures: 1, request: { ...request, by: two } }))).toBe(false);
  });
});

test('a request that cooled down is asked anew with its failures, and without the end of the rest', async () => {
  const { request: _, ...closed } = record({ failures: 3, failedAt: 9, failed: 'deadline', coolingUntil: 99 });
  const found = await put(f, key, provisionCodec, closed);
  expect(await sent(askTxn(f.keys, waiting, found, request))).toBe(true);
  expect(await now()).toEqual(record({ failures: 3, failedAt: 9, failed: 'deadline' }));
});

describe('of two nodes that go on with a request one is refused:', () => {
  const cases: [string, (need: Need, member: Member) => Txn][] = [
    ['taking it over', (need) => takeTxn(need, two, token)],
    ['its failure', (need) => failTxn(need, 'deadline', 60)],
    ['its end', (need) => closeTxn(need, undefined)],
    ['its fulfilment', (need, member) => fulfilTxn(f.keys, need, member, 60)],
    ['forgetting it', (need) => forgetTxn(need)],
  ];
  test.each(cases)('%s', async (_, make) => {
    const member = await membership.join(two);
    const need = await stored();
    expect(await sent(make(need, member), touched({ failures: 7 }))).toBe(false);
    expect(await now()).toEqual(record({ failures: 7 }));
    expect(await sent(make(await stored(), member))).toBe(true);
  });
});

describe('a fulfilment is refused when', () => {
  const fulfil = async (...change: Op[]) => {
    const member = await membership.join(two);
    return sent(fulfilTxn(f.keys, await stored(), member, 60), ...change);
  };

  test('nothing is: the node is known, and the need is none any more', async () => {
    expect(await fulfil()).toBe(true);
    expect(await now()).toBeUndefined();
    const made = { v: SCHEMA_VERSION, node: two, by: one, requestedAt: 5, joinedAt: 60 };
    expect(await read(f, f.keys.provisioned(id), provisionedCodec)).toEqual(made);
  });

  test('the node is gone', async () => {
    expect(await fulfil({ op: 'delete', key: f.keys.node(two) })).toBe(false);
    expect(await now()).toBeDefined();
  });

  test('the node has changed', async () => {
    expect(await fulfil({ op: 'put', key: f.keys.node(two), value: codecs.node.encode(nodeRecord()) })).toBe(false);
  });
});

describe('a node that was made is forgotten unless', () => {
  const provisioned: ProvisionedRecord = { v: SCHEMA_VERSION, node: two, by: one, requestedAt: 1, joinedAt: 2 };
  const forget = async (...change: Op[]) =>
    sent(removedTxn(f.keys, id, await put(f, f.keys.provisioned(id), provisionedCodec, provisioned)), ...change);

  test('nothing: with its settings', async () => {
    await membership.configure(two, { v: SCHEMA_VERSION, cordoned: { at: 1 } });
    expect(await forget()).toBe(true);
    expect(await read(f, f.keys.provisioned(id), provisionedCodec)).toBeUndefined();
    expect(await read(f, f.keys.nodeconf(two), codecs.nodeconf)).toBeUndefined();
  });

  test('it has a session', async () => {
    await membership.join(two);
    expect(await forget()).toBe(false);
  });

  test('its record was written anew', async () => {
    const value = provisionedCodec.encode({ ...provisioned, by: two });
    expect(await forget({ op: 'put', key: f.keys.provisioned(id), value })).toBe(false);
  });
});

describe('the duty', () => {
  const tokens = () => new VirtualTokens([one], [token]);
  let plugin: VirtualProvisioner;
  let service: Provisioning | undefined;

  beforeEach(async () => {
    plugin = new VirtualProvisioner();
    await put(f, f.keys.unassigned(testTask(1)), codecs.entry, waits);
  });

  async function run(store: Store, port: VirtualTokens, forMs = 4_000): Promise<void> {
    const self = membership.snapshot().members.get(one as NodeId) as Member;
    const deps = depsOf(f, membership, self);
    service = new Provisioning({ ...deps, ctx: { ...deps.ctx, store } }, { plugin, tokens: port });
    service.start();
    await f.clock.advance(forMs);
    await service.stop();
  }

  test('asks for one node', async () => {
    await run(f.store, tokens());
    expect(plugin.calls).toMatchObject([{ requires: waiting.requires, token: `secret of ${token}` }]);
  });

  test('does not call when its request was refused, and revokes the token it had made', async () => {
    const port = tokens();
    const asking = ({ success }: { success?: Txn['success'] }) => success?.[0]?.key === key;
    await run(
      meanwhile(
        f.store,
        () => f.store.txn({ compares: [], success: [touched({ request: { ...request, by: two } })] }),
        asking,
      ),
      port,
      1_500,
    );
    expect(plugin.calls).toEqual([]);
    expect(port.revoked).toEqual([token]);
  });

  test('does not call when its session is over by then', async () => {
    const asking = ({ success }: { success?: Txn['success'] }) => success?.[0]?.key === key;
    const gone = () => f.store.txn({ compares: [], success: [{ op: 'delete', key: f.keys.node(one) }] });
    await run(meanwhile(f.store, gone, asking), tokens(), 1_400);
    expect(plugin.calls).toEqual([]);
    expect(await now()).toBeUndefined();
  });

  test('asks once though the answer to its write is lost', async () => {
    let lost = 0;
    const plan: FaultPlan = {
      call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined),
    };
    await run(new FaultyStore({ store: f.store, clock: f.clock, plan }), tokens(), 20_000);
    expect(plugin.ids).toHaveLength(1);
    expect((await now())?.request?.id).toBe(plugin.ids[0]);
  });
});

/**
 * The transactions of provisioning. Pure builders; whoever acts settles them. Each compares the need's record as it was read, so
 * that of two nodes that both think it is theirs the second one's write is refused, and nothing is ever asked for twice. The
 * caller adds the compares of its session.
 */
import type { NodeId, ProvisionId, TokenId } from '@boi/core';
import { ABSENT, absent, type Txn, unchanged } from '@boi/store';
import type { Keys } from '../keys.ts';
import type { Member } from '../membership/membership-types.ts';
import { SCHEMA_VERSION, type Stored } from '../records.ts';
import type { Waiting } from './need.ts';
import { type Failure, type ProvisionRecord, provisionCodec, provisionedCodec, type RequestRecord } from './records.ts';

/** Tokens of one request that are remembered: beyond that the oldest are, unused, near their end anyway. */
const TOKENS_MAX = 8;

type Need = Stored<ProvisionRecord>;
type WithRequest = Need & { readonly record: { readonly request: RequestRecord } };

/** Its record has a request. */
export function hasRequest(need: Need): need is WithRequest {
  return need.record.request !== undefined;
}

/** The request is in the store before anybody is asked. */
export function askTxn(keys: Keys, waiting: Waiting, found: Need | undefined, request: RequestRecord): Txn {
  const { hash, requires, slots } = waiting;
  const { coolingUntil: _over, ...known } = found?.record ?? { failures: 0 };
  const record: ProvisionRecord = {
    ...known,
    v: SCHEMA_VERSION,
    requires: requires as ProvisionRecord['requires'],
    slots,
    request,
  };
  const key = keys.provision(hash);
  return {
    compares: [unchanged(key, found?.modRevision ?? ABSENT)],
    success: [{ op: 'put', key, value: provisionCodec.encode(record) }],
  };
}

/** The same request goes on from another node, or from a later life of the same one. */
export function takeTxn(need: WithRequest, by: NodeId, token: TokenId | undefined): Txn {
  const { request } = need.record;
  const tokens = token === undefined ? request.tokens : [...request.tokens, token].slice(-TOKENS_MAX);
  return put(need, { ...need.record, request: { ...request, by, tokens } });
}

/** The node that was asked for has joined, and is still there. */
export function fulfilTxn(keys: Keys, need: WithRequest, member: Member, nowMs: number): Txn {
  const { id, by, at } = need.record.request;
  const provisioned = { v: SCHEMA_VERSION, node: member.id, by, requestedAt: at, joinedAt: nowMs } as const;
  const key = keys.provisioned(id);
  return {
    compares: [unchanged(need.key, need.modRevision), absent(key), unchanged(keys.node(member.id), member.modRevision)],
    success: [
      { op: 'delete', key: need.key },
      { op: 'put', key, value: provisionedCodec.encode(provisioned) },
    ],
    failure: [{ op: 'get', key }],
  };
}

/** From here on no node of this request is taken for the one that was asked for. */
export function failTxn(need: WithRequest, failed: Failure, nowMs: number): Txn {
  const { request, failures } = need.record;
  return put(need, {
    ...need.record,
    failures: failures + 1,
    failedAt: nowMs,
    failed,
    request: { ...request, failed },
  });
}

/** Nothing of it is left. `coolingUntil`: no other is made before. */
export function closeTxn(need: WithRequest, coolingUntil: number | undefined): Txn {
  const { request, ...rest } = need.record;
  return put(need, { ...rest, last: request.id, ...(coolingUntil === undefined ? {} : { coolingUntil }) });
}

/** Nobody waits any more, and what failed is long ago. */
export function forgetTxn(need: Need): Txn {
  return { compares: [unchanged(need.key, need.modRevision)], success: [{ op: 'delete', key: need.key }] };
}

/** The node is gone, and with it what the cluster kept of it. */
export function removedTxn(keys: Keys, id: ProvisionId, provisioned: Stored<{ readonly node: NodeId }>): Txn {
  const { node } = provisioned.record;
  return {
    compares: [unchanged(keys.provisioned(id), provisioned.modRevision), absent(keys.node(node))],
    success: [
      { op: 'delete', key: keys.provisioned(id) },
      { op: 'delete', key: keys.nodeconf(node) },
    ],
  };
}

function put({ key, modRevision }: Need, record: ProvisionRecord): Txn {
  return {
    compares: [unchanged(key, modRevision)],
    success: [{ op: 'put', key, value: provisionCodec.encode(record) }],
  };
}

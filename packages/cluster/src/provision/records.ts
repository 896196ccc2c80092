/** What the store knows of provisioning: one record for each need that is not met, one for each node that was made. */
import type { NodeId, ProvisionId, TokenId } from '@boi/core';
import { type Static, Type } from 'typebox';
import { codec, RequirementRecord, SCHEMA_VERSION } from '../records.ts';

const V = Type.Literal(SCHEMA_VERSION);
const Nat = Type.Integer({ minimum: 0 });
const opt = Type.Optional;
const id = <T extends string>() => Type.Unsafe<T>({ type: 'string' });
const Tokens = Type.Array(id<TokenId>());

/** Why a request for a node came to nothing: a stable word, also in the event. */
export const FAILURES = ['deadline', 'refused', 'incapable'] as const;
export type Failure = (typeof FAILURES)[number];
const FailureRecord = Type.Unsafe<Failure>({ type: 'string', enum: [...FAILURES] });

/** The request that is in flight for a need: there is at most one, since it is part of the need's record. */
export const RequestRecord = Type.Object({
  id: id<ProvisionId>(),
  /** Whose plugin is asked. */
  by: id<NodeId>(),
  at: Nat,
  deadlineAt: Nat,
  /** How many tasks waited. */
  tasks: Nat,
  /** Of the tokens that were handed out for it, the newest last: one for each node that asked. None on an insecure cluster. */
  tokens: Tokens,
  /** It has failed, and what it may have left is being removed. */
  failed: opt(FailureRecord),
});
export type RequestRecord = Static<typeof RequestRecord>;

/** `provision/{hash}`: tasks wait whose requirements no live node meets, or did so a moment ago. */
export const ProvisionRecord = Type.Object({
  v: V,
  requires: Type.Array(RequirementRecord),
  slots: Nat,
  /** Requests that failed since the last one that brought a node. */
  failures: Nat,
  /** Of the last one that failed. */
  failedAt: opt(Nat),
  failed: opt(FailureRecord),
  /** Too many failed in a row: none is made before. */
  coolingUntil: opt(Nat),
  request: opt(RequestRecord),
  /** The request before, of which no node came: nothing of it is left. */
  last: opt(id<ProvisionId>()),
});
export type ProvisionRecord = Static<typeof ProvisionRecord>;

/** `provisioned/{prq}`: a node that came of a request and is to go when it has been idle. */
export const ProvisionedRecord = Type.Object({
  v: V,
  node: id<NodeId>(),
  /** Whose plugin made it. */
  by: id<NodeId>(),
  requestedAt: Nat,
  joinedAt: Nat,
});
export type ProvisionedRecord = Static<typeof ProvisionedRecord>;

export const provisionCodec = codec('provisioning', ProvisionRecord);
export const provisionedCodec = codec('provisioned node', ProvisionedRecord);

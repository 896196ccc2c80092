/** A spec on its way in: what was asked, under which id, and the header and first transaction that follow from it. Pure. */
import { BoiError, type DispatchAnswer, type ProjectId, type SpecDefinition, type SpecId } from '@boi/core';
import { absent, type Compare, type Op } from '@boi/store';
import type { Actor } from '../api/api-types.ts';
import { keyHash } from '../base/hash.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { Keys } from '../keys.ts';
import { codecs, SCHEMA_VERSION, type SpecHeader } from '../records.ts';
import type { SpecRef } from './spec-ref.ts';

export interface SpecRequest {
  readonly project: ProjectId;
  readonly spec: SpecDefinition;
  /** Of the content: the same idempotency key with another digest is refused. */
  readonly digest: string;
  readonly idempotencyKey?: string;
  readonly actor?: Actor;
  readonly retryOf?: SpecId;
}

/** How far an acceptance has come, for whoever stops waiting for it: once something was sent it may yet be applied. */
export interface AcceptProgress {
  /** Nothing is sent any more once it is gone, unless something was sent before. */
  readonly caller: { readonly gone?: BoiError };
  /** The id under which it was sent. */
  sent?: SpecId;
  /** When the store last answered it, on the monotonic clock. */
  answeredMono?: number;
}

export interface Draft extends SpecRef {
  readonly request: SpecRequest;
  readonly createdAt: number;
  readonly idempotencyHash: string | undefined;
  /** The store answered something about it. */
  readonly answered: () => void;
  readonly progress: AcceptProgress | undefined;
}

/** Without what its way in adds: state, cursor, chunks, dispatcher, coordinator. */
export function headerOf({ request, createdAt }: Draft): SpecHeader {
  const { spec, digest, idempotencyKey, actor, retryOf } = request;
  return {
    v: SCHEMA_VERSION,
    ...(spec.name === undefined ? {} : { name: spec.name }),
    state: 'active',
    cursor: 0,
    tasks: spec.tasks.length,
    chunks: 0,
    counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
    failure: spec.failurePolicy,
    ...(spec.concurrency === undefined ? {} : { concurrency: spec.concurrency }),
    ...(actor === undefined ? {} : { actor: actor.name }),
    digest,
    ...(idempotencyKey === undefined ? {} : { idempotency: keyHash(idempotencyKey) }),
    ...(retryOf === undefined ? {} : { retryOf }),
    createdAt,
  };
}

/** What the first transaction has in any case: header, idempotency key, name, and the coordinator told. */
export function openingParts(
  keys: Keys,
  { prj, spc, idempotencyHash }: Draft,
  header: SpecHeader,
  coordinator: { readonly compare: Compare } | undefined,
): { compares: Compare[]; ops: Op[] } {
  const key = keys.spec(prj, spc);
  const compares = [absent(key)];
  const ops: Op[] = [{ op: 'put', key, value: codecs.spec.encode(header) }];
  if (idempotencyHash !== undefined) {
    const idempotency = keys.idempotency(prj, idempotencyHash);
    compares.push(absent(idempotency));
    const record = { v: SCHEMA_VERSION, spec: spc, digest: header.digest, at: header.createdAt } as const;
    ops.push({ op: 'put', key: idempotency, value: codecs.idempotency.encode(record) });
  }
  if (header.name !== undefined) ops.push({ op: 'put', key: keys.name(prj, 'spec', header.name, spc), value: '' });
  if (coordinator !== undefined && header.coordinator !== undefined) {
    compares.push(coordinator.compare);
    const coord = keys.coord(header.coordinator, spc);
    ops.push({ op: 'put', key: coord, value: codecs.coord.encode({ v: SCHEMA_VERSION, prj }) });
  }
  return { compares, ops };
}

export function answerOf({ prj, spc, request }: Draft, existing: boolean): DispatchAnswer {
  const { name, tasks } = request.spec;
  return {
    id: spc,
    ...(name === undefined ? {} : { name }),
    project: { id: prj },
    tasks: tasks.length,
    existing,
  };
}

export function interrupted(): BoiError {
  return new BoiError('unavailable', 'the dispatch was interrupted before the spec was accepted; send it again', {
    retryAfterS: 1,
  });
}

/** Told with the transaction that makes the spec one that always finishes. */
export function specStarted({ prj: project, spc: spec, createdAt }: Draft, tasks: number): Foretold {
  return { event: { kind: 'spec.started', project, spec, tasks }, trace: { createdAt: String(createdAt) } };
}

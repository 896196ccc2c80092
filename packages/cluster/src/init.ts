/**
 * Creates what a cluster begins with, when it is not there: the `cluster` record, the `incarnation`, the default project and
 * its name, and the groups that carry authority. One transaction comparing the cluster's record absent, so that nodes that start together agree on one cluster.
 * An existing cluster of a schema this node does not know is refused before anything is written.
 *
 * A cluster with identities is founded by identity/found.ts in the same way, and only there: a node that has a certificate
 * asks for its cluster with {@link requireCluster}.
 */
import { BoiError, IdMinter, type ProjectId, randomHex } from '@boi/core';
import { absent, type Compare, type Op } from '@boi/store';
import { settleTxn } from './base/settle.ts';
import type { ClusterContext } from './context.ts';
import { reservedGroups } from './group/reserved.ts';
import { type ClusterRecord, codecs, SCHEMA_VERSION } from './records.ts';

/** Project of everything that names none. */
export const DEFAULT_PROJECT_NAME = 'default';

export interface NewCluster {
  readonly record: ClusterRecord;
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

/** The first records of a cluster, and that there are none yet. */
export function newCluster(
  { keys, clock, random }: Pick<ClusterContext, 'keys' | 'clock' | 'random'>,
  id?: string,
): NewCluster {
  const minter = new IdMinter(clock, random);
  const project: ProjectId = minter.mint('project');
  const createdAt = clock.now();
  const record: ClusterRecord = {
    v: SCHEMA_VERSION,
    id: id ?? randomHex(random, 16),
    defaultProject: project,
    createdAt,
  };
  return {
    record,
    compares: [absent(keys.cluster()), absent(keys.incarnation())],
    ops: [
      { op: 'put', key: keys.cluster(), value: codecs.cluster.encode(record) },
      {
        op: 'put',
        key: keys.incarnation(),
        value: codecs.incarnation.encode({ v: SCHEMA_VERSION, id: randomHex(random, 16) }),
      },
      {
        op: 'put',
        key: keys.retention(),
        value: codecs.retention.encode({ v: SCHEMA_VERSION, at: Math.floor(createdAt) }),
      },
      {
        op: 'put',
        key: keys.project(project),
        value: codecs.project.encode({ v: SCHEMA_VERSION, name: DEFAULT_PROJECT_NAME, createdAt }),
      },
      { op: 'put', key: keys.name(project, 'project', DEFAULT_PROJECT_NAME, project), value: '' },
      ...reservedGroups(keys, project, minter, createdAt),
    ],
  };
}

/** Answers the cluster's record, made by this call or before it. Rejects with `schema-unknown` or `store-unreachable`. */
export async function initCluster(ctx: ClusterContext, signal: AbortSignal): Promise<ClusterRecord> {
  const { keys, store } = ctx;
  const existing = (await store.get(keys.cluster())).kv;
  if (existing !== undefined) return codecs.cluster.decode(existing.key, existing.value);

  const made = newCluster(ctx);
  const answer = await settleTxn(ctx, signal, {
    compares: made.compares,
    success: made.ops,
    failure: [{ op: 'get', key: keys.cluster() }],
  });
  if (answer.outcome === 'applied') return made.record;
  const found = answer.answers[0];
  if (found?.op !== 'get' || found.kv === undefined) return initCluster(ctx, signal);
  return codecs.cluster.decode(found.kv.key, found.kv.value);
}

/** The record of the cluster of this id. Throws `wrong-state` when the store has another one, or none. */
export async function requireCluster(
  { keys, store }: Pick<ClusterContext, 'keys' | 'store'>,
  id: string,
): Promise<ClusterRecord> {
  const { kv } = await store.get(keys.cluster());
  const record = kv === undefined ? undefined : codecs.cluster.decode(kv.key, kv.value);
  if (record?.id === id) return record;
  throw new BoiError(
    'wrong-state',
    `this node's certificate is for the cluster ${id}, but ${keys.prefix} has ${record === undefined ? 'none' : record.id}; check --etcd and --prefix`,
    { details: { cluster: id, ...(record === undefined ? {} : { found: record.id }) } },
  );
}

/**
 * Creates what a cluster begins with, when it is not there: the `cluster` record, the `incarnation`, the default project and
 * its name. One transaction comparing the cluster's record absent, so that nodes that start together agree on one cluster.
 * An existing cluster of a schema this node does not know is refused before anything is written.
 */
import { IdMinter, randomHex } from '@boi/core';
import { absent } from '@boi/store';
import { settleTxn } from './base/settle.ts';
import type { ClusterContext } from './context.ts';
import { type ClusterRecord, codecs, SCHEMA_VERSION } from './records.ts';

/** Project of everything that names none. */
export const DEFAULT_PROJECT_NAME = 'default';

/** Answers the cluster's record, made by this call or before it. Rejects with `schema-unknown` or `store-unreachable`. */
export async function initCluster(ctx: ClusterContext, signal: AbortSignal): Promise<ClusterRecord> {
  const { keys, store, clock, random } = ctx;
  const existing = (await store.get(keys.cluster())).kv;
  if (existing !== undefined) return codecs.cluster.decode(existing.key, existing.value);

  const project = new IdMinter(clock, random).mint('project');
  const createdAt = clock.now();
  const cluster: ClusterRecord = { v: SCHEMA_VERSION, id: randomHex(random, 16), defaultProject: project, createdAt };
  const answer = await settleTxn(ctx, signal, {
    compares: [absent(keys.cluster()), absent(keys.incarnation())],
    success: [
      { op: 'put', key: keys.cluster(), value: codecs.cluster.encode(cluster) },
      {
        op: 'put',
        key: keys.incarnation(),
        value: codecs.incarnation.encode({ v: SCHEMA_VERSION, id: randomHex(random, 16) }),
      },
      {
        op: 'put',
        key: keys.project(project),
        value: codecs.project.encode({ v: SCHEMA_VERSION, name: DEFAULT_PROJECT_NAME, createdAt }),
      },
      { op: 'put', key: keys.name(project, 'project', DEFAULT_PROJECT_NAME, project), value: '' },
    ],
    failure: [{ op: 'get', key: keys.cluster() }],
  });
  if (answer.outcome === 'applied') return cluster;
  const found = answer.answers[0];
  if (found?.op !== 'get' || found.kv === undefined) return initCluster(ctx, signal);
  return codecs.cluster.decode(found.kv.key, found.kv.value);
}

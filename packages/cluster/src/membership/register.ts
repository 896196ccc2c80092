/**
 * Registers a node: grants a lease and puts `nodes/{nod}` and `load/{nod}` with it, comparing the record absent (a put over a
 * live one would keep its create revision, which is the epoch) and the cluster record unchanged since its schema was found
 * to be known; with identities also that it is a member still. Used by session.ts for each session.
 */
import { BoiError, sleep } from '@boi/core';
import { absent, exists, isLeaseNotFound, type LeaseId, type Revision, sameCreation, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';
import type { NodeIdentity } from '../node-types.ts';
import { codecs, type LoadRecord, type NodeRecord, SCHEMA_VERSION } from '../records.ts';

/**
 * Beyond the time to live: etcd that was restarted, or has a new leader, gives every lease its time anew and an election timeout more (a second
 * unless set otherwise), looks for expired ones every half second, and on a busy host is late with both.
 */
const RECORD_GONE_SLACK_MS = 5_000;
const RECORD_POLL_MS = 250;

export interface RegisterOptions {
  readonly ctx: ClusterContext;
  readonly identity: NodeIdentity;
  /** The load to register with. */
  readonly load: () => LoadRecord;
  /** The cluster has identities: only who was admitted, and not removed since, registers. */
  readonly members?: boolean;
}

export interface Registered {
  readonly lease: LeaseId;
  readonly epoch: Revision;
  readonly ttlMs: number;
  /** When the lease was asked for: its deadline counts from there. */
  readonly sentMono: number;
  readonly sentWall: number;
}

/** A session of an earlier life, whose process is certainly dead. */
export interface Former {
  readonly lease: LeaseId;
  readonly epoch: Revision;
}

/**
 * One try. `onLease` is told of the lease as soon as there is one, so that it is revoked whatever comes of it. `former`: the session of
 * a dead process with this identity, ended right before, under a mark that keeps others from taking what it left; one that is over by
 * itself meanwhile is past marking. Throws `conflict` when
 * somebody was faster or the lease ended; `schema-unknown`; `wrong-state` when it is no member any more; `store-unreachable`.
 */
export async function register(
  { ctx, identity, load, members = false }: RegisterOptions,
  signal: AbortSignal,
  onLease: (lease: LeaseId) => void,
  former?: Former,
): Promise<Registered> {
  const { clock, keys, store } = ctx;
  const cluster = await store.get(keys.cluster());
  if (cluster.kv === undefined) throw new BoiError('unavailable', 'the cluster is not initialised');
  codecs.cluster.decode(cluster.kv.key, cluster.kv.value);

  const sentMono = clock.mono();
  const sentWall = clock.now();
  const grant = await store.grantLease(ctx.config.sessionTtlMs);
  if (grant.outcome === 'unknown') throw grant.cause;
  const { lease, ttlMs } = grant;
  onLease(lease);
  const key = keys.node(identity.id);
  const member = keys.member(identity.id);
  const returning = keys.returning(identity.id);
  const txn = {
    compares: [absent(key), unchanged(keys.cluster(), cluster.kv.modRevision), ...(members ? [exists(member)] : [])],
    success: [
      { op: 'put', key, value: codecs.node.encode(recordOf({ ctx, identity })), lease },
      { op: 'put', key: keys.load(identity.id), value: codecs.load.encode(load()), lease },
      ...(former === undefined ? [] : [{ op: 'delete', key: returning } as const]),
    ],
    failure: [
      { op: 'get', key },
      { op: 'get', key: member },
    ],
  } as const;
  let epoch: Revision;
  try {
    if (former !== undefined) {
      const mark = { op: 'put', key: returning, value: JSON.stringify({ v: SCHEMA_VERSION }), lease } as const;
      await settleTxn(ctx, signal, { compares: [sameCreation(key, former.epoch)], success: [mark] });
      const ended = await store.revokeLease(former.lease);
      if (ended.outcome === 'unknown') throw ended.cause;
    }
    const answer = await settleTxn(ctx, signal, txn);
    const [found, admitted] = answer.outcome === 'refused' ? answer.answers : [];
    const record = found?.op === 'get' ? found.kv : undefined;
    if (members && admitted?.op === 'get' && admitted.kv === undefined) throw notMember(identity.id);
    if (answer.outcome === 'applied') epoch = answer.revision;
    else if (record?.lease === lease) epoch = record.createRevision;
    else throw new BoiError('conflict', `${identity.id} could not be registered: its record or the cluster's changed`);
  } catch (error) {
    if (isLeaseNotFound(error)) throw new BoiError('conflict', 'the lease ended before it was used', { cause: error });
    throw error;
  }
  return { lease, epoch, ttlMs, sentMono, sentWall };
}

function notMember(id: string): BoiError {
  return new BoiError('wrong-state', `${id} was removed from the cluster: it registers no more`, {
    details: { node: id },
  });
}

/** Waits until no record of this id is left. */
export async function recordGone({ ctx, identity }: RegisterOptions, signal: AbortSignal): Promise<void> {
  const { clock, config, keys, store } = ctx;
  const endMono = clock.mono() + config.sessionTtlMs + RECORD_GONE_SLACK_MS;
  for (;;) {
    const { kv } = await store.get(keys.node(identity.id));
    if (kv === undefined) return;
    if (clock.mono() >= endMono) {
      throw new BoiError(
        'identity-in-use',
        `a live node has the identity ${identity.id}; stop it, or use another one`,
        {
          details: { node: identity.id },
        },
      );
    }
    await sleep(clock, RECORD_POLL_MS, signal);
  }
}

function recordOf({ ctx, identity }: Pick<RegisterOptions, 'ctx' | 'identity'>): NodeRecord {
  return {
    v: SCHEMA_VERSION,
    ...(identity.name === undefined ? {} : { name: identity.name }),
    address: identity.address,
    version: identity.version,
    capabilities: { ...identity.capabilities },
    slots: identity.slots,
    startedAt: ctx.clock.now(),
    ...(identity.provisioner === true ? { provisioner: true } : {}),
  };
}

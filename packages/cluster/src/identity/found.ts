/**
 * `cluster init` in the store: the cluster's record, incarnation and default project, its CA, its first member and that
 * this member is an admin, in one transaction that compares all of it absent. There is no moment at which a cluster exists
 * that nobody may sign for. The founder's files (keys, certificates, ids) were written before.
 *
 * Run again by the same founder it finds its own cluster and writes nothing; anything else below the prefix is refused.
 */
import { BoiError } from '@boi/core';
import { absent } from '@boi/store';
import { newCluster } from '../init.ts';
import { codecs, SCHEMA_VERSION } from '../records.ts';
import type { FoundAnswer, FoundInput } from './api-types.ts';
import { auditOp } from './audit.ts';
import { type Attempt, change, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { identityCodecs } from './records.ts';

export function found(deps: IdentityDeps, input: FoundInput): Promise<FoundAnswer> {
  const { keys, clock } = deps;
  const { node, certificate, ca, name, address } = input;
  const made = newCluster(deps, input.cluster);
  const event = deps.minter.mint('event');
  const v: typeof SCHEMA_VERSION = SCHEMA_VERSION;
  return change(deps, async (): Promise<Attempt<FoundAnswer>> => {
    const existing = await ownCluster(deps, input);
    if (existing !== undefined) return { done: existing };
    const since = clock.now();
    const record = {
      ca: { v, phase: 'stable' as const, current: ca, since },
      admin: { v, since },
      member: {
        v,
        ...(name === undefined ? {} : { name }),
        ...(address === undefined ? {} : { address }),
        certificate,
        joinedAt: since,
        trusts: [ca.fingerprint],
      },
    };
    return {
      txn: {
        compares: [
          ...made.compares,
          ...[keys.ca(), keys.admin(node), keys.member(node), keys.memberKey(certificate.keyFingerprint)].map(absent),
        ],
        success: [
          ...made.ops,
          { op: 'put', key: keys.ca(), value: identityCodecs.ca.encode(record.ca) },
          { op: 'put', key: keys.admin(node), value: identityCodecs.admin.encode(record.admin) },
          { op: 'put', key: keys.member(node), value: identityCodecs.member.encode(record.member) },
          {
            op: 'put',
            key: keys.memberKey(certificate.keyFingerprint),
            value: identityCodecs.memberKey.encode({ v, node }),
          },
          auditOp(deps, event, { actor: { kind: 'node', id: node }, what: 'cluster.init', subject: input.cluster }),
        ],
      },
      applied: () => ({ cluster: input.cluster, defaultProject: made.record.defaultProject, existing: false }),
    };
  });
}

/** The cluster when it is this founder's, undefined when there is nothing. Throws `already-initialised` for anything else. */
async function ownCluster(
  deps: IdentityDeps,
  { cluster, node, certificate }: FoundInput,
): Promise<FoundAnswer | undefined> {
  const { keys, store } = deps;
  const record = await find(deps, keys.cluster(), codecs.cluster);
  if (record.record === undefined) {
    const { kvs } = await store.range({ ...keys.all(), limit: 1, keysOnly: true });
    if (kvs.length === 0) return undefined;
    throw new BoiError(
      'already-initialised',
      `${keys.prefix} has keys but no cluster; clear it, or use another --prefix`,
      { details: { key: kvs[0]?.key } },
    );
  }
  const [caFound, member] = await Promise.all([
    find(deps, keys.ca(), identityCodecs.ca),
    find(deps, keys.member(node), identityCodecs.member),
  ]);
  // By the key of the node, not by its certificate or CA: both are replaced in the life of a cluster.
  const own = record.record.id === cluster && member.record?.certificate.keyFingerprint === certificate.keyFingerprint;
  if (own && caFound.record !== undefined) {
    return { cluster, defaultProject: record.record.defaultProject, existing: true };
  }
  throw new BoiError(
    'already-initialised',
    `${keys.prefix} has the cluster ${record.record.id} already; join it, or use another --prefix`,
    {
      details: {
        cluster: record.record.id,
        ...(caFound.record === undefined ? {} : { caFingerprint: caFound.record.current.fingerprint }),
      },
    },
  );
}

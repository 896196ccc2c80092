/**
 * Who is in the cluster, as this node knows it: mirrors of `nodes/`, `nodeconf/`, `groups/`, `cluster` and `incarnation`, folded
 * into an immutable snapshot on every change. Loads are not watched; they are read when somebody decides by them.
 */
import { BoiError, type GroupId, type NodeId } from '@boi/core';
import { ABSENT } from '@boi/store';
import { Mirror, onlyKey } from '../base/mirror.ts';
import type { ClusterContext } from '../context.ts';
import { Groups } from '../group/groups.ts';
import { type GroupRecord, type GroupsRevRecord, groupsCodec } from '../group/records.ts';
import { lastPart } from '../keys.ts';
import {
  type ClusterRecord,
  codecs,
  type IncarnationRecord,
  type LoadRecord,
  type NodeConfRecord,
  type NodeRecord,
} from '../records.ts';
import type { Member, Membership, MembershipSnapshot } from './membership-types.ts';

/** Departures remembered; a cluster has fewer nodes, and one from long ago is nobody's question. */
const GONE_MAX = 1_000;

export class StoreMembership implements Membership {
  readonly #ctx: ClusterContext;
  readonly #nodes: Mirror<NodeRecord>;
  readonly #confs: Mirror<NodeConfRecord>;
  readonly #groupsMirror: Mirror<GroupRecord | GroupsRevRecord>;
  /** As the mirror last showed them; undefined: changed since. */
  #groups: Groups | undefined;
  readonly #cluster: Mirror<ClusterRecord>;
  readonly #incarnation: Mirror<IncarnationRecord>;
  readonly #listeners = new Set<(snapshot: MembershipSnapshot) => void>();
  #snapshot: MembershipSnapshot | undefined;
  /** Of the last snapshot, and when those went that were in an earlier one. */
  #members: ReadonlyMap<NodeId, Member> = new Map();
  #goneAt: ReadonlyMap<NodeId, number> = new Map();
  #told = true;
  #loads: ReadonlyMap<NodeId, LoadRecord> = new Map();
  #loadsAtMono = Number.NEGATIVE_INFINITY;
  #reading: Promise<ReadonlyMap<NodeId, LoadRecord>> | undefined;

  constructor(ctx: ClusterContext) {
    this.#ctx = ctx;
    const { keys, config } = ctx;
    const { relistMs } = config;
    this.#nodes = new Mirror({ ctx, range: keys.nodes(), codec: codecs.node, what: 'nodes', relistMs });
    this.#confs = new Mirror({ ctx, range: keys.nodeconfs(), codec: codecs.nodeconf, what: 'nodeconf', relistMs });
    this.#groupsMirror = new Mirror({ ctx, range: keys.groups(), codec: groupsCodec, what: 'groups', relistMs });
    this.#groupsMirror.onChange(() => {
      this.#groups = undefined;
    });
    this.#cluster = new Mirror({
      ctx,
      range: onlyKey(keys.cluster()),
      codec: codecs.cluster,
      what: 'cluster',
      relistMs,
    });
    this.#incarnation = new Mirror({
      ctx,
      range: onlyKey(keys.incarnation()),
      codec: codecs.incarnation,
      what: 'incarnation',
      relistMs,
    });
  }

  /** Resolves when everything has been read once. */
  async start(): Promise<void> {
    const mirrors = this.#mirrors();
    for (const mirror of mirrors) mirror.onChange(() => this.#changed());
    await Promise.all(mirrors.map((mirror) => mirror.start()));
    this.snapshot();
  }

  async stop(): Promise<void> {
    this.#listeners.clear();
    await Promise.all(this.#mirrors().map((mirror) => mirror.stop()));
  }

  /** Reads everything again now: after a transaction was refused because something here had changed. */
  async resync(): Promise<void> {
    await Promise.all(this.#mirrors().map((mirror) => mirror.resync()));
  }

  snapshot(): MembershipSnapshot {
    this.#snapshot ??= this.#build();
    return this.#snapshot;
  }

  onChange(fn: (snapshot: MembershipSnapshot) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  async loads(): Promise<ReadonlyMap<NodeId, LoadRecord>> {
    if (this.#ctx.clock.mono() - this.#loadsAtMono < this.#ctx.config.loadMaxAgeMs) return this.#loads;
    this.#reading ??= this.#readLoads().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  cachedLoads(): ReadonlyMap<NodeId, LoadRecord> {
    return this.#loads;
  }

  #mirrors(): readonly Mirror<unknown>[] {
    return [this.#nodes, this.#confs, this.#groupsMirror, this.#cluster, this.#incarnation] as Mirror<unknown>[];
  }

  #changed(): void {
    const clusterGone = this.#cluster.entries.size === 0 || this.#incarnation.entries.size === 0;
    // Keep the last one: a store being restored must not look like a cluster without nodes.
    if (clusterGone) return;
    this.#snapshot = undefined;
    if (!this.#told) return;
    this.#told = false;
    queueMicrotask(() => {
      this.#told = true;
      const snapshot = this.snapshot();
      for (const fn of [...this.#listeners]) fn(snapshot);
    });
  }

  #build(): MembershipSnapshot {
    const cluster = this.#cluster.entries.values().next().value;
    const incarnation = this.#incarnation.entries.values().next().value;
    if (cluster === undefined || incarnation === undefined) {
      throw new BoiError('unavailable', 'this node has not read the membership yet', { retryAfterS: 1 });
    }
    const members = new Map<NodeId, Member>();
    for (const { key, record, createRevision, modRevision } of this.#nodes.sorted()) {
      const id = lastPart(key) as NodeId;
      const conf = this.#confs.entries.get(this.#ctx.keys.nodeconf(id));
      const confRevision = conf?.modRevision ?? ABSENT;
      const member = { id, record, epoch: createRevision, modRevision, confRevision };
      members.set(id, conf === undefined ? member : { ...member, conf: conf.record });
    }
    const absentConfs = new Map<NodeId, NodeConfRecord>();
    for (const { key, record } of this.#confs.sorted()) {
      const id = lastPart(key) as NodeId;
      if (!members.has(id)) absentConfs.set(id, record);
    }
    this.#noteGone(members);
    return {
      members,
      absentConfs,
      goneAt: this.#goneAt,
      cluster: cluster.record,
      clusterRevision: cluster.modRevision,
      incarnation: incarnation.record.id,
      incarnationRevision: incarnation.modRevision,
      groups: this.#groups ?? this.#foldGroups(),
      revision: this.#nodes.revision,
    };
  }

  #noteGone(members: ReadonlyMap<NodeId, Member>): void {
    const goneAt = new Map([...this.#goneAt].filter(([id]) => !members.has(id)));
    for (const id of this.#members.keys()) if (!members.has(id)) goneAt.set(id, this.#ctx.clock.now());
    this.#goneAt = new Map([...goneAt].slice(-GONE_MAX));
    this.#members = members;
  }

  /** The mirror shows what one transaction wrote at once, so the groups are those of their revision. */
  #foldGroups(): Groups {
    const rev = this.#groupsMirror.entries.get(this.#ctx.keys.groupsRev());
    const byId = new Map<GroupId, GroupRecord>();
    for (const { key, record } of this.#groupsMirror.sorted()) {
      if ('members' in record) byId.set(lastPart(key) as GroupId, record);
    }
    this.#groups = new Groups(byId, rev?.modRevision ?? ABSENT);
    return this.#groups;
  }

  async #readLoads(): Promise<ReadonlyMap<NodeId, LoadRecord>> {
    const { clock, keys, store, log } = this.#ctx;
    const askedAtMono = clock.mono();
    const loads = new Map<NodeId, LoadRecord>();
    const { end, start: first } = keys.loads();
    for (let start = first, more = true; more; ) {
      const page = await store.range({ start, end });
      for (const kv of page.kvs) {
        try {
          loads.set(lastPart(kv.key) as NodeId, codecs.load.decode(kv.key, kv.value));
        } catch (error) {
          log.warn({ err: error, key: kv.key }, 'a load cannot be read; that node counts as idle');
        }
      }
      more = page.more;
      start = `${page.kvs.at(-1)?.key ?? start} `;
    }
    this.#loads = loads;
    this.#loadsAtMono = askedAtMono;
    return loads;
  }
}

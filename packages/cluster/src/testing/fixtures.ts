/**
 * What tests of this package are made of: a context on a memory store with a virtual clock and seeded chance, builders of
 * records with defaults for what a test does not care about, and a membership and a session that are what a test says.
 */
import { type NodeId, type ProjectId, type SpecId, type TaskDefinition, type TaskId, taskId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { absent, MemoryServer, type MemoryStore, type Revision, sameCreation, toRevision } from '@boi/store';
import { type ClusterConfig, type ClusterContext, DEFAULT_CONFIG, type Logger } from '../context.ts';
import type { NodeDeps } from '../deps.ts';
import { Events } from '../events/events.ts';
import { settleIntent } from '../events/settle-intent.ts';
import { readGroups } from '../group/change-groups.ts';
import { type Groups, NO_GROUPS } from '../group/groups.ts';
import { Keys } from '../keys.ts';
import type { Member, Membership, MembershipSnapshot } from '../membership/membership-types.ts';
import type { Session } from '../membership/session-types.ts';
import { createPlacer } from '../placement/placement.ts';
import {
  codecs,
  type LoadRecord,
  type NodeConfRecord,
  type NodeRecord,
  type QueueEntry,
  SCHEMA_VERSION,
  type Stored,
} from '../records.ts';
import { SpecBodies } from '../spec/spec-body.ts';
import { type RecordedEvent, RecordingPort } from './recording-port.ts';

const nothing = () => {};
export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

const DIGITS = '0123456789abcdefghjkmnpqrstvwxyz';

/** Ids that are the same in every run: the number in the random part, 0–1023. */
function ulid(n: number): string {
  return `01h0000000000000000000${DIGITS[(n >> 5) & 31]}${DIGITS[n & 31]}00`;
}

export function testNode(n: number): NodeId {
  return `nod_${ulid(n)}` as NodeId;
}

export function testSpec(n: number): SpecId {
  return `spc_01h00000000000000000${DIGITS[(n >> 5) & 31]}${DIGITS[n & 31]}0000` as SpecId;
}

export function testTask(n: number, spec = testSpec(1)): TaskId {
  return taskId(spec, n);
}

export const testProject = `prj_${ulid(1)}` as ProjectId;

export function definition(over: Partial<TaskDefinition> = {}): TaskDefinition {
  return { ref: 'task', run: 'true', ...over };
}

export function nodeRecord(over: Partial<NodeRecord> = {}): NodeRecord {
  return {
    v: SCHEMA_VERSION,
    address: 'http://127.0.0.1:1',
    version: '0.1.0',
    capabilities: { os: 'linux' },
    slots: 4,
    startedAt: 0,
    ...over,
  };
}

export function entry(over: Partial<QueueEntry> = {}): QueueEntry {
  return {
    v: SCHEMA_VERSION,
    prj: testProject,
    attempt: 1,
    deliveries: 0,
    def: { ...definition() },
    queuedAt: 0,
    ...over,
  };
}

/** An entry that the node's session holds. */
export function claimedEntry(over: Partial<QueueEntry> = {}): QueueEntry {
  return entry({ deliveries: 1, claim: { epoch: '1', nonce: 'c1', at: 0 }, ...over });
}

export interface Fixture {
  readonly server: MemoryServer;
  readonly store: MemoryStore;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly keys: Keys;
  readonly ctx: ClusterContext;
  readonly port: RecordingPort;
  readonly events: RecordedEvent[];
  /** Sums of counters, by name. */
  readonly counts: ReadonlyMap<string, number>;
}

export function fixture(config: Partial<ClusterConfig> = {}, seed = 1): Fixture {
  const clock = new VirtualClock();
  const server = new MemoryServer({ clock });
  const store = server.connect();
  const random = new SeededRandom(seed);
  const keys = new Keys();
  const port = new RecordingPort();
  const counts = new Map<string, number>();
  const metrics = {
    count: (name: string, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    gauge: nothing,
    observe: nothing,
  };
  const ctx: ClusterContext = {
    store,
    keys,
    clock,
    random,
    log: silentLogger,
    metrics,
    events: new Events({
      port,
      clock,
      random,
      node: testNode(1),
      log: silentLogger,
      metrics,
      settle: (intended) => settleIntent(ctx, intended),
    }),
    config: { ...DEFAULT_CONFIG, ...config },
  };
  return { server, store, clock, random, keys, ctx, port, events: port.events, counts };
}

/** Puts a record; answers it as stored. */
export async function put<T>(
  f: Fixture,
  key: string,
  kind: { encode(record: T): string },
  record: T,
): Promise<Stored<T>> {
  // Read in the same transaction: what runs beside the test may take it at once.
  const success = [{ op: 'put', key, value: kind.encode(record) } as const, { op: 'get', key } as const];
  const answer = await f.store.txn({ compares: [], success });
  const kv = answer.outcome === 'applied' && answer.answers[1]?.op === 'get' ? answer.answers[1].kv : undefined;
  if (kv === undefined) throw new Error(`${key} was not stored`);
  return { key, record, createRevision: kv.createRevision, modRevision: kv.modRevision };
}

export async function read<T>(
  f: Fixture,
  key: string,
  kind: { decode(key: string, value: Uint8Array): T },
): Promise<T | undefined> {
  const { kv } = await f.store.get(key);
  return kv === undefined ? undefined : kind.decode(key, kv.value);
}

/** Every key below the prefix, without it, in order. */
export async function allKeys(f: Fixture): Promise<string[]> {
  const found: string[] = [];
  const { end, start: first } = f.keys.all();
  for (let start = first, more = true; more; ) {
    const page = await f.store.range({ start, end, keysOnly: true });
    found.push(...page.kvs.map(({ key }) => key.slice(f.keys.prefix.length)));
    more = page.more;
    start = `${page.kvs.at(-1)?.key ?? start} `;
  }
  return found;
}

/** A membership that is what the test says; nodes joined with {@link StaticMembership.join} have their record in the store. */
export class StaticMembership implements Membership {
  readonly #f: Fixture;
  readonly #listeners = new Set<(snapshot: MembershipSnapshot) => void>();
  #members = new Map<NodeId, Member>();
  #absentConfs = new Map<NodeId, NodeConfRecord>();
  #goneAt = new Map<NodeId, number>();
  #loads = new Map<NodeId, LoadRecord>();
  #cluster: Pick<MembershipSnapshot, 'cluster' | 'clusterRevision' | 'incarnation' | 'incarnationRevision'>;
  #groups: Groups = NO_GROUPS;
  #snapshot: MembershipSnapshot | undefined;

  private constructor(
    f: Fixture,
    cluster: Pick<MembershipSnapshot, 'cluster' | 'clusterRevision' | 'incarnation' | 'incarnationRevision'>,
  ) {
    this.#f = f;
    this.#cluster = cluster;
  }

  /** With `cluster` and `incarnation` in the store. */
  static async create(f: Fixture): Promise<StaticMembership> {
    const record = { v: SCHEMA_VERSION, id: 'cluster', defaultProject: testProject, createdAt: 0 } as const;
    const cluster = await put(f, f.keys.cluster(), codecs.cluster, record);
    const incarnation = await put(f, f.keys.incarnation(), codecs.incarnation, { v: SCHEMA_VERSION, id: 'i1' });
    return new StaticMembership(f, {
      cluster: cluster.record,
      clusterRevision: cluster.modRevision,
      incarnation: incarnation.record.id,
      incarnationRevision: incarnation.modRevision,
    });
  }

  async join(id: NodeId, over: Partial<NodeRecord> = {}, conf?: NodeConfRecord): Promise<Member> {
    const {
      key: _key,
      record,
      createRevision,
      modRevision,
    } = await put(this.#f, this.#f.keys.node(id), codecs.node, nodeRecord(over));
    const confRevision =
      conf === undefined
        ? toRevision(0)
        : (await put(this.#f, this.#f.keys.nodeconf(id), codecs.nodeconf, conf)).modRevision;
    const member: Member = {
      id,
      record,
      epoch: createRevision,
      modRevision,
      confRevision,
      ...(conf === undefined ? {} : { conf }),
    };
    this.#members = new Map([...this.#members, [id, member] as const].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#changed();
    return member;
  }

  /** Its settings, as an operator would write them. */
  async configure(id: NodeId, conf: NodeConfRecord): Promise<void> {
    const { modRevision } = await put(this.#f, this.#f.keys.nodeconf(id), codecs.nodeconf, conf);
    const member = this.#members.get(id);
    if (member === undefined) this.#absentConfs.set(id, conf);
    else this.#members.set(id, { ...member, conf, confRevision: modRevision });
    this.#changed();
  }

  /** Its record disappears, as with its lease. */
  async die(id: NodeId): Promise<void> {
    await this.#f.store.txn({ compares: [], success: [{ op: 'delete', key: this.#f.keys.node(id) }] });
    this.#members.delete(id);
    this.#goneAt.set(id, this.#f.ctx.clock.now());
    this.#loads.delete(id);
    this.#changed();
  }

  /** As the store has them. */
  async readGroups(): Promise<void> {
    this.#groups = await readGroups(this.#f.ctx);
    this.#changed();
  }

  setLoad(id: NodeId, over: Partial<LoadRecord>): void {
    const known = this.#loads.get(id) ?? {
      v: SCHEMA_VERSION,
      busy: 0,
      queued: 0,
      running: 0,
      health: 'ok',
      scanned: '0',
    };
    this.#loads.set(id, { ...known, ...over });
  }

  snapshot(): MembershipSnapshot {
    this.#snapshot ??= {
      members: new Map(this.#members),
      absentConfs: new Map(this.#absentConfs),
      goneAt: new Map(this.#goneAt),
      ...this.#cluster,
      groups: this.#groups,
      revision: this.#f.server.revision,
    };
    return this.#snapshot;
  }

  onChange(fn: (snapshot: MembershipSnapshot) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  async loads(): Promise<ReadonlyMap<NodeId, LoadRecord>> {
    return new Map(this.#loads);
  }

  cachedLoads(): ReadonlyMap<NodeId, LoadRecord> {
    return this.#loads;
  }

  #changed(): void {
    this.#snapshot = undefined;
    queueMicrotask(() => {
      for (const fn of [...this.#listeners]) fn(this.snapshot());
    });
  }
}

/** A session that lives until the test says otherwise. */
export class StaticSession implements Session {
  readonly node: NodeId;
  readonly #keys: Keys;
  readonly #controller = new AbortController();
  readonly #lost = new Set<() => void>();
  #epoch: Revision | undefined;

  constructor(keys: Keys, { id, epoch }: Pick<Member, 'id' | 'epoch'>) {
    this.#keys = keys;
    this.node = id;
    this.#epoch = epoch;
  }

  epoch(): Revision | undefined {
    return this.#epoch;
  }

  compares() {
    const key = this.#keys.node(this.node);
    return [this.#epoch === undefined ? absent(`${key}/lost`) : sameCreation(key, this.#epoch)];
  }

  signal(): AbortSignal {
    return this.#controller.signal;
  }

  onLive(fn: (epoch: Revision) => void): () => void {
    if (this.#epoch !== undefined) fn(this.#epoch);
    return nothing;
  }

  onLost(fn: () => void): () => void {
    this.#lost.add(fn);
    return () => this.#lost.delete(fn);
  }

  lose(): void {
    this.#epoch = undefined;
    this.#controller.abort(new Error('the session is lost'));
    for (const fn of this.#lost) fn();
  }
}

/** What a service of the node `member` is built from. */
export function depsOf(
  f: Fixture,
  membership: StaticMembership,
  member: Member,
): NodeDeps & { session: StaticSession } {
  return {
    ctx: f.ctx,
    self: member.id,
    session: new StaticSession(f.keys, member),
    membership,
    placer: async () => createPlacer(f.keys, membership.snapshot(), await membership.loads(), f.clock.now()),
    bodies: new SpecBodies(f.ctx),
  };
}

/**
 * Nodes that dispatch and coordinate over one memory server, without claim loops: a test finishes queue entries itself, so it
 * decides when and how each task ends. Conservation is checked at every revision.
 */
import {
  indexOf,
  type NodeId,
  type Outcome,
  type SpecDefinition,
  type SpecId,
  type TaskDefinition,
  type TaskId,
} from '@boi/core';
import { absent, type MemoryStore, unchanged } from '@boi/store';
import { finalHeader } from '../commit/ending.ts';
import type { ClusterConfig } from '../context.ts';
import type { NodeDeps } from '../deps.ts';
import { lastPart } from '../keys.ts';
import { codecs, type QueueEntry, type ResultRecord, type SpecHeader, type Stored } from '../records.ts';
import { Coordinators } from '../spec/coordinators.ts';
import { Dispatcher } from '../spec/dispatch.ts';
import { stored } from '../spec/spec-ref.ts';
import { takeOverCoordination } from '../takeover/take-over.ts';
import { Conservation } from './conservation.ts';
import {
  definition,
  depsOf,
  type Fixture,
  fixture,
  StaticMembership,
  type StaticSession,
  testNode,
  testProject,
} from './fixtures.ts';

export interface RigNode {
  readonly id: NodeId;
  readonly deps: NodeDeps & { readonly session: StaticSession };
  readonly store: MemoryStore;
  readonly dispatcher: Dispatcher;
  readonly coordinators: Coordinators;
}

export type Ends = (index: number, entry: QueueEntry) => Outcome | Partial<ResultRecord> | undefined;

export class SpecRig {
  readonly f: Fixture;
  readonly membership: StaticMembership;
  readonly conservation: Conservation;
  readonly nodes: RigNode[] = [];

  private constructor(f: Fixture, membership: StaticMembership, conservation: Conservation) {
    this.f = f;
    this.membership = membership;
    this.conservation = conservation;
  }

  /** `nodes` of them with running coordinators. `store` may wrap a node's connection. */
  static async create(
    nodes: number,
    config: Partial<ClusterConfig> = {},
    wrap: (store: MemoryStore, node: number) => MemoryStore = (store) => store,
  ): Promise<SpecRig> {
    const f = fixture(config);
    const conservation = new Conservation(f.server, f.keys);
    const membership = await StaticMembership.create(f);
    const rig = new SpecRig(f, membership, conservation);
    for (let n = 1; n <= nodes; n++) {
      const member = await membership.join(testNode(n), { slots: 1000 });
      const store = wrap(f.server.connect(), n);
      const own: Fixture = { ...f, store, ctx: { ...f.ctx, store } };
      const deps = depsOf(own, membership, member);
      rig.nodes.push({
        id: member.id,
        deps,
        store,
        dispatcher: new Dispatcher(deps),
        coordinators: new Coordinators(deps),
      });
    }
    for (const { coordinators } of rig.nodes) await coordinators.start();
    return rig;
  }

  node(n: number): RigNode {
    const node = this.nodes[n - 1];
    if (node === undefined) throw new Error(`there is no node ${n}`);
    return node;
  }

  async dispatch(
    tasks: readonly Partial<TaskDefinition>[],
    spec: Partial<SpecDefinition> = {},
    n = 1,
  ): Promise<SpecId> {
    const { dispatcher } = this.node(n);
    const { id } = await dispatcher.accept({
      project: testProject,
      spec: {
        failurePolicy: 'continue',
        ...spec,
        tasks: tasks.map((task, i) => definition({ ref: `t${i + 1}`, ...task })),
      },
      digest: `d${this.f.random.next()}`,
    });
    return id as SpecId;
  }

  /** Lets everything that is under way come to rest, for `ms` of virtual time. */
  settle(ms = 50): Promise<void> {
    return this.f.clock.advance(ms);
  }

  async header(spc: SpecId): Promise<SpecHeader | undefined> {
    const { kv } = await this.f.store.get(this.f.keys.spec(testProject, spc));
    return kv === undefined ? undefined : codecs.spec.decode(kv.key, kv.value);
  }

  async entries(): Promise<Stored<QueueEntry>[]> {
    const found: Stored<QueueEntry>[] = [];
    const range = this.f.keys.allQueues();
    for (let start = range.start, more = true; more; ) {
      const page = await this.f.store.range({ start, end: range.end });
      found.push(...page.kvs.map((kv) => stored(codecs.entry, kv)));
      more = page.more;
      start = `${page.kvs.at(-1)?.key ?? start} `;
    }
    return found;
  }

  /** Indexes of tasks in queues, ascending. */
  async queued(): Promise<number[]> {
    return (await this.entries()).map(({ key }) => indexOf(lastPart(key) as TaskId)).sort((a, b) => a - b);
  }

  async outcomes(spc: SpecId): Promise<Record<number, Outcome>> {
    const found: Record<number, Outcome> = {};
    const range = this.f.keys.resultsOf(spc);
    const page = await this.f.store.range({ ...range });
    for (const { key, value } of page.kvs) {
      found[indexOf(lastPart(key) as TaskId)] = codecs.result.decode(key, value).outcome;
    }
    return found;
  }

  /** Marks an entry as claimed, as its owner would. */
  async claim(index: number): Promise<void> {
    for (const { key, record, modRevision } of await this.entries()) {
      if (indexOf(lastPart(key) as TaskId) !== index) continue;
      const claim = { epoch: '1', nonce: 'n', at: this.f.clock.now() };
      const value = codecs.entry.encode({ ...record, deliveries: record.deliveries + 1, claim });
      await this.f.store.txn({ compares: [unchanged(key, modRevision)], success: [{ op: 'put', key, value }] });
    }
  }

  /** Ends queue entries as their owners would; answers how many. */
  async finish(ends: Ends): Promise<number> {
    let count = 0;
    for (const { key, record, modRevision } of await this.entries()) {
      const tsk = lastPart(key) as TaskId;
      const end = ends(indexOf(tsk), record);
      if (end === undefined) continue;
      const spc = `spc_${tsk.slice(4, 26)}0000` as SpecId;
      const result = this.f.keys.result(spc, tsk);
      const full: ResultRecord = {
        v: 1,
        outcome: 'succeeded',
        startedAt: this.f.clock.now(),
        endedAt: this.f.clock.now(),
        attempt: record.attempt,
        ...(typeof end === 'string' ? { outcome: end } : end),
      };
      const header = record.single === true ? await this.header(spc) : undefined;
      const answer = await this.f.store.txn({
        compares: [unchanged(key, modRevision), absent(result)],
        success: [
          { op: 'put', key: result, value: codecs.result.encode(full) },
          { op: 'delete', key },
          ...(header === undefined
            ? []
            : [
                {
                  op: 'put' as const,
                  key: this.f.keys.spec(testProject, spc),
                  value: codecs.spec.encode(finalHeader(header, full)),
                },
              ]),
        ],
      });
      if (answer.outcome === 'applied') count++;
    }
    return count;
  }

  /** Ends entries as they come until the spec has ended. */
  async runToEnd(spc: SpecId, ends: Ends = () => 'succeeded', limitMs = 60_000): Promise<SpecHeader> {
    for (let waitedMs = 0; waitedMs < limitMs; waitedMs += 50) {
      await this.settle();
      const header = await this.header(spc);
      if (header?.endedAt !== undefined) return header;
      await this.finish(ends);
    }
    throw new Error(`${spc} did not end: ${JSON.stringify(await this.header(spc))}`);
  }

  /** The node dies: its connection is cut, its record goes, and the first other node takes over what it coordinated. */
  async die(n: number): Promise<void> {
    const dead = this.node(n);
    await dead.store.close();
    const stopped = Promise.all([dead.dispatcher.stop(), dead.coordinators.stop()]);
    await this.settle(10);
    await stopped;
    await this.membership.die(dead.id);
    await this.adoptCoordinations(dead.id);
  }

  /** As the adopter of a dead node does. */
  async adoptCoordinations(dead: NodeId): Promise<void> {
    const heir = this.nodes.find(({ id }) => this.membership.snapshot().members.has(id));
    if (heir === undefined) return;
    const range = this.f.keys.coordsOf(dead);
    const { kvs } = await this.f.store.range({ ...range });
    for (const { key, value } of kvs) {
      await takeOverCoordination(heir.deps, dead, codecs.coord.decode(key, value).prj, lastPart(key) as SpecId);
    }
  }

  async stop(): Promise<void> {
    const stopped = Promise.all(
      this.nodes.map(async ({ dispatcher, coordinators }) => {
        await dispatcher.stop();
        await coordinators.stop();
      }),
    );
    await this.settle(10);
    await stopped;
    this.conservation.stop();
    this.conservation.assert();
  }
}

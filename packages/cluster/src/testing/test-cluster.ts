/**
 * Whole nodes over one memory store and one virtual clock, for tests: each with its own connection, which can be cut, its own
 * runner and result buffer, which outlive it as processes and disks do. Nothing in it knows how nodes work.
 */
import { type DispatchAnswer, type NodeId, type SpecId, specOf, type TaskId, taskId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { MemoryServer } from '@boi/store';
import { FaultyStore } from '@boi/store/testing';
import type { ClusterConfig } from '../context.ts';
import { Keys, lastPart } from '../keys.ts';
import type { SessionMemory } from '../membership/session.ts';
import { ClusterNode } from '../node.ts';
import type { RouterPort } from '../placement/placement-types.ts';
import type { ProvisionerOptions } from '../provision/ports.ts';
import { codecs, type QueueEntry, type ResultRecord, type SpecHeader } from '../records.ts';
import { silentLogger, testNode } from './fixtures.ts';
import { MemoryBuffer } from './memory-buffer.ts';
import { type RecordedEvent, RecordingPort } from './recording-port.ts';
import { type Script, VirtualRunner } from './virtual-runner.ts';

export interface TestNode {
  readonly id: NodeId;
  readonly node: ClusterNode;
  readonly store: FaultyStore;
  readonly runner: VirtualRunner;
  readonly buffer: MemoryBuffer;
  readonly port: RecordingPort;
  readonly events: RecordedEvent[];
  readonly counts: Map<string, number>;
}

export interface JoinOptions {
  readonly slots?: number;
  readonly script?: Script;
  readonly capabilities?: Readonly<Record<string, string | number | boolean>>;
  readonly provisioner?: ProvisionerOptions;
  readonly router?: RouterPort;
  /** Of an earlier life of the same node. */
  readonly runner?: VirtualRunner;
  readonly buffer?: MemoryBuffer;
  readonly memory?: SessionMemory;
}

export class TestCluster {
  readonly clock = new VirtualClock();
  readonly server = new MemoryServer({ clock: this.clock });
  readonly store = this.server.connect();
  readonly keys = new Keys();
  readonly nodes: TestNode[] = [];
  readonly #config: Partial<ClusterConfig>;
  readonly #seed: number;

  constructor(config: Partial<ClusterConfig> = {}, seed = 1) {
    this.#config = config;
    this.#seed = seed;
  }

  make(n: number, options: JoinOptions = {}): TestNode {
    const { clock } = this;
    const store = new FaultyStore({ store: this.server.connect(), clock });
    const port = new RecordingPort();
    const counts = new Map<string, number>();
    const runner = options.runner ?? new VirtualRunner(clock, options.script);
    const buffer = options.buffer ?? new MemoryBuffer();
    const node = new ClusterNode({
      store,
      clock,
      random: new SeededRandom(this.#seed * 1_000 + n),
      log: silentLogger,
      metrics: {
        count: (name, by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
        gauge: () => {},
        observe: () => {},
      },
      events: port,
      config: this.#config,
      identity: {
        id: testNode(n),
        address: `http://127.0.0.1:${n}`,
        version: '0.1.0',
        capabilities: options.capabilities ?? { os: 'linux' },
        slots: options.slots ?? 4,
        ...(options.provisioner === undefined ? {} : { provisioner: true }),
      },
      ...(options.provisioner === undefined ? {} : { provisioner: options.provisioner }),
      ...(options.router === undefined ? {} : { router: options.router }),
      runner,
      buffer,
      ...(options.memory === undefined ? {} : { sessionMemory: options.memory }),
    });
    return { id: testNode(n), node, store, runner, buffer, port, events: port.events, counts };
  }

  async join(n: number, options: JoinOptions = {}): Promise<TestNode> {
    const made = this.make(n, options);
    await this.wait(made.node.start());
    this.nodes.push(made);
    return made;
  }

  async joinAll(count: number, options: JoinOptions = {}): Promise<TestNode[]> {
    for (let n = 1; n <= count; n++) await this.join(n, options);
    return this.nodes;
  }

  /** Lets virtual time pass until the promise settles. */
  async wait<T>(promise: Promise<T>, limitMs = 120_000): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    await this.clock.until(() => settled, limitMs, 'a promise');
    return promise;
  }

  /** Dispatches at the first node. */
  dispatch(spec: object, at: TestNode = this.nodes[0] as TestNode): Promise<DispatchAnswer> {
    const { defaultProject } = at.node.snapshot().cluster;
    return this.wait(at.node.api.dispatch(defaultProject, { source: JSON.stringify(spec), format: 'json' }));
  }

  /** The process and its host are gone: nothing of it acts any more, its lease runs out. */
  async crash(node: TestNode): Promise<void> {
    node.store.crash();
    node.runner.kill();
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  async results(spec: SpecId): Promise<Map<TaskId, ResultRecord>> {
    const found = new Map<TaskId, ResultRecord>();
    for (const { key, value } of await this.#all(this.keys.resultsOf(spec)))
      found.set(lastPart(key) as TaskId, codecs.result.decode(key, value));
    return found;
  }

  /** Every queue entry there is, by its key. */
  async entries(): Promise<Map<string, QueueEntry>> {
    const found = new Map<string, QueueEntry>();
    for (const { key, value } of await this.#all(this.keys.allQueues()))
      found.set(key, codecs.entry.decode(key, value));
    return found;
  }

  async header(spec: SpecId): Promise<SpecHeader | undefined> {
    for (const { key, value } of await this.#all(this.keys.allSpecs()))
      if (lastPart(key) === spec) return codecs.spec.decode(key, value);
    return undefined;
  }

  /** Until every task of the spec has its result. */
  async untilDone(answer: DispatchAnswer, limitMs = 120_000): Promise<Map<TaskId, ResultRecord>> {
    const spec = answer.id as SpecId;
    await this.clock.until(
      async () => (await this.results(spec)).size === answer.tasks,
      limitMs,
      `all ${answer.tasks} results of ${spec}`,
    );
    return this.results(spec);
  }

  task(answer: DispatchAnswer, index = 1): TaskId {
    return taskId(answer.id as SpecId, index);
  }

  /** Tasks of a spec that run now, anywhere. */
  running(answer: DispatchAnswer): TaskId[] {
    return this.nodes
      .flatMap(({ runner }) => runner.running.map(({ assignment }) => assignment.task))
      .filter((task) => specOf(task) === answer.id);
  }

  async stop(): Promise<void> {
    for (const { node, store } of this.nodes) {
      store.heal();
      await this.wait(node.stop({ drainMs: 0 }));
    }
    this.server.stop();
  }

  async #all({ start: first, end }: { start: string; end: string }) {
    const kvs = [];
    for (let start = first, more = true; more; ) {
      const page = await this.store.range({ start, end });
      kvs.push(...page.kvs);
      more = page.more;
      start = `${page.kvs.at(-1)?.key ?? start} `;
    }
    return kvs;
  }
}

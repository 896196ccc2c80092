/**
 * Whole nodes with the real cluster code over one memory store and one virtual clock, counted: the same work gives the same
 * counts on any machine. A round trip to the store takes 2 ms of virtual time and a task 10; computing takes none. No events
 * are wanted, as in a cluster without hook plugins.
 */
import { ClusterNode, Keys } from '@boi/cluster';
import { MemoryBuffer } from '@boi/cluster/testing';
import { IdMinter } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { MemoryServer } from '@boi/store';
import { MeasuredStore, noCounts } from './measured-store.mjs';

const LATENCY_MS = 2;
const TASK_MS = 10;
/** More than any workload takes: a cluster that stands still is found out. */
const LIMIT_MS = 24 * 3_600_000;
/** For the answers to the last commits. */
const AFTER_MS = 50;
const STATE = /"state":"([a-z]+)"/;
const OPEN = new Set(['writing', 'dispatching', 'active', 'cancelling']);

const silent = () => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };
const metrics = { count: silent, gauge: silent, observe: silent };

export class VirtualCluster {
  /** Of all nodes together, since the construction. */
  counts = noCounts();
  timers = 0;
  starts = 0;
  /** The most the store was seen to hold, history included. */
  storeBytesMax = 0;
  nodes = [];
  clock = new VirtualClock();
  keys = new Keys();
  #server = new MemoryServer({ clock: this.clock });
  #config;
  #minter = new IdMinter(this.clock, new SeededRandom(7));
  /** Specs that have begun and not ended, by their key; and how many have ended. */
  #open = new Set();
  ended = 0;

  /** `config`: settings of the protocol that differ from their defaults. */
  constructor({ config = {} } = {}) {
    this.#config = config;
    this.watch(this.keys.allSpecs(), (events) => this.#see(events));
  }

  /** Not counted. */
  watch(range, onEvents) {
    this.#server.connect().watch({ ...range, fromRevision: '1' }, { onEvents, onLost: silent });
  }

  async join(count, { slots = 4, taskMs = TASK_MS } = {}) {
    const made = Array.from({ length: count }, () => this.#make(slots, taskMs));
    this.nodes.push(...made);
    await this.wait(made[0].node.start());
    await this.wait(Promise.all(made.slice(1).map(({ node }) => node.start())));
    // What follows a join (rebalancing, first loads) is not the work that is measured.
    await this.clock.advance(1_000);
  }

  /** Dispatches each spec from one of `clients`, which send the next when the last was accepted, over the nodes in turn. */
  async dispatch(specs, clients = 1) {
    const { defaultProject } = this.nodes[0].node.snapshot().cluster;
    let next = 0;
    const client = async () => {
      while (next < specs.length) {
        const n = next++;
        const source = JSON.stringify(specs[n]);
        await this.nodes[n % this.nodes.length].node.api.dispatch(defaultProject, { source, format: 'json' });
      }
    };
    await this.wait(Promise.all(Array.from({ length: clients }, client)));
  }

  /** Until so many specs have ended, and what followed is done; answers when the last one ended, in virtual time. */
  async until(ended) {
    await this.clock.until(() => this.ended >= ended && this.#open.size === 0, LIMIT_MS, `${ended} specs ended`);
    const endedMono = this.clock.mono();
    await this.clock.advance(AFTER_MS);
    return endedMono;
  }

  async wait(promise) {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    await this.clock.until(() => settled, LIMIT_MS, 'an answer');
    return promise;
  }

  /** The host is gone: its lease runs out. */
  crash(made) {
    made.store.crash();
    made.runner.kill();
    this.nodes.splice(this.nodes.indexOf(made), 1);
  }

  #see(events) {
    this.storeBytesMax = Math.max(this.storeBytesMax, this.#server.status().dbBytes);
    for (const event of events) {
      if (event.type === 'delete') continue;
      const { key, value } = event.kv;
      // Not decoded: what the watcher does must not count.
      if (OPEN.has(STATE.exec(value.toString('latin1'))?.[1])) this.#open.add(key);
      else if (this.#open.delete(key)) this.ended += 1;
    }
  }

  #make(slots, taskMs) {
    const n = this.nodes.length + 1;
    const store = new MeasuredStore(this.#server.connect({ latencyMs: LATENCY_MS }), this.counts);
    const clock = {
      now: () => this.clock.now(),
      mono: () => this.clock.mono(),
      timer: (delayMs, fn) => {
        this.timers += 1;
        return this.clock.timer(delayMs, fn);
      },
    };
    const runner = new TimedRunner(this.clock, taskMs, () => {
      this.starts += 1;
    });
    const node = new ClusterNode({
      store,
      clock,
      random: new SeededRandom(1_000 + n),
      log,
      metrics,
      config: this.#config,
      identity: {
        id: this.#minter.mint('node'),
        address: `http://127.0.0.1:${n}`,
        version: '0.1.0',
        capabilities: { os: 'linux' },
        slots,
      },
      runner,
      buffer: new MemoryBuffer(),
    });
    return { node, store, runner };
  }
}

/** Every task succeeds after so long. */
class TimedRunner {
  #clock;
  #taskMs;
  #started;
  #runs = new Map();

  constructor(clock, taskMs, started) {
    this.#clock = clock;
    this.#taskMs = taskMs;
    this.#started = started;
  }

  start({ task, fence }) {
    this.#started();
    const startedAt = this.#clock.now();
    const key = `${task} ${fence}`;
    const done = new Promise((resolve) => {
      const timer = this.#clock.timer(this.#taskMs, () => {
        this.#runs.delete(key);
        resolve({ outcome: 'succeeded', exitCode: 0, startedAt, endedAt: this.#clock.now(), tail: '', logBytes: 0 });
      });
      this.#runs.set(key, { task, fence, timer });
    });
    const running = { task, done, cancel: silent };
    this.#runs.get(key).running = running;
    return running;
  }

  list() {
    return [...this.#runs.values()].map(({ task, fence, running }) => ({ task, fence, running }));
  }

  setDeadline() {}

  kill() {
    for (const { timer } of this.#runs.values()) timer.cancel();
    this.#runs.clear();
  }
}

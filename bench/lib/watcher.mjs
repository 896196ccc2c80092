/** What the benchmark sees of a cluster from outside: a connection of its own to etcd. */
import { Keys } from '@boi/cluster';
import { EtcdStore } from '@boi/store';
import { systemClock, systemRandom } from '@boi/system';

const FINAL = /"state":"(?:succeeded|failed|cancelled)"/;
const QUEUED = /"state":"(?:active|cancelling|succeeded|failed|cancelled)"/;

export class Watcher {
  #store;
  #keys = new Keys();
  #watches = [];

  constructor(endpoint) {
    this.#store = new EtcdStore({ endpoints: [endpoint], clock: systemClock, random: systemRandom });
  }

  /** When so many specs have ended, on the clock of `performance`; call it before they are dispatched. */
  async ended(count) {
    return this.#specs(count, FINAL);
  }

  /** When all tasks of so many specs are in queues, or beyond. */
  async queued(count) {
    return this.#specs(count, QUEUED);
  }

  /**
   * Follows what becomes of a node that is killed and of the tasks in its queue. Call it before; answers what is known so far
   * whenever it is called: when the record was gone, when tasks left the queue, when they were claimed elsewhere.
   */
  async follow(node) {
    const seen = { gone: undefined, moved: [], claimed: [] };
    const tasks = new Set();
    const own = this.#keys.queueOf(node);
    await this.#watch(this.#keys.nodes(), ({ type, key }) => {
      if (type === 'delete' && key === this.#keys.node(node)) seen.gone = performance.now();
    });
    await this.#watch(this.#keys.allQueues(), (event) => {
      const key = event.key ?? event.kv.key;
      const task = key.slice(key.lastIndexOf('/') + 1);
      if (event.type === 'delete') {
        if (seen.gone === undefined || key < own.start || key >= own.end) return;
        tasks.add(task);
        seen.moved.push(performance.now());
      } else if (tasks.has(task) && (key < own.start || key >= own.end) && event.kv.value.includes('"claim":{')) {
        tasks.delete(task);
        seen.claimed.push(performance.now());
      }
    });
    return seen;
  }

  /** Bytes of etcd's database file. */
  async databaseBytes() {
    return (await this.#store.status()).dbBytes;
  }

  async close() {
    for (const watch of this.#watches) watch.cancel();
    await this.#store.close();
  }

  async #specs(count, wanted) {
    const seen = new Set();
    let resolve;
    const done = new Promise((settle) => {
      resolve = settle;
    });
    const watch = await this.#watch(this.#keys.allSpecs(), ({ type, kv }) => {
      if (type === 'delete' || !wanted.test(kv.value.toString('latin1'))) return;
      seen.add(kv.key);
      if (seen.size !== count) return;
      resolve(performance.now());
      watch.cancel();
    });
    return { done };
  }

  async #watch(range, see) {
    const { revision } = await this.#store.range({ ...range, limit: 1 });
    const listener = {
      onEvents: (events) => {
        for (const event of events) see(event);
      },
      onLost: (reason, message) => {
        throw new Error(`the benchmark's watch was lost: ${reason}, ${message}`);
      },
    };
    const watch = this.#store.watch({ ...range, fromRevision: `${BigInt(revision) + 1n}` }, listener);
    this.#watches.push(watch);
    return watch;
  }
}

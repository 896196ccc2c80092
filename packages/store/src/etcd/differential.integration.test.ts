/**
 * The memory store and a real etcd are asked the same random things in the same order and must answer the same: revisions,
 * values, outcomes, refusals, and every event of every watch. Everything else in the project that is tested on the memory
 * store stands on this. `BOI_SEED=n` runs one seed alone.
 */
import { BoiError } from '@boi/core';
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryServer } from '../memory/server.ts';
import type { MemoryStore } from '../memory/store.ts';
import { CompactedError, type LeaseId, prefixEnd, type Store, type Watch } from '../port.ts';
import { type EtcdServer, startEtcd } from '../testing/etcd-server.ts';
import { randomStep, type Step } from '../testing/random-requests.ts';
import { put, write } from '../testing/requests.ts';
import { WatchRecorder } from '../testing/watch-recorder.ts';
import { EtcdStore } from './store.ts';

const STEPS = 250;
const own = process.env.BOI_SEED;
const SEEDS = own === undefined ? Array.from({ length: 20 }, (_, i) => i + 1) : [Number(own)];

let etcd: EtcdServer;
let real: EtcdStore;

beforeAll(async () => {
  etcd = await startEtcd();
  real = new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: new SeededRandom(1) });
});

afterAll(async () => {
  await real.close();
  await etcd.stop();
});

/** One of the two stores, with its own ids of the leases and its own watches. */
class Side {
  readonly store: Store;
  readonly leases: LeaseId[] = [];
  readonly watches: { readonly recorder: WatchRecorder; readonly watch: Watch }[] = [];

  constructor(store: Store) {
    this.store = store;
  }

  async perform(step: Step): Promise<unknown> {
    try {
      return this.#shown(await this.#perform(step));
    } catch (error) {
      if (error instanceof CompactedError) return { thrown: error.name };
      if (error instanceof BoiError) return { thrown: error.code, reason: error.details.reason };
      throw error;
    }
  }

  async #perform(step: Step): Promise<unknown> {
    const lease = (number: number) => this.leases[number] as LeaseId;
    switch (step.do) {
      case 'get':
        return this.store.get(step.key);
      case 'range':
        return this.store.range(step.query);
      case 'txn':
        return this.store.txn(step.txn(lease));
      case 'batch':
        return this.store.batch(step.batch(lease));
      case 'compact':
        return this.store.compact(step.revision);
      case 'revoke':
        return this.store.revokeLease(lease(step.lease));
      case 'keepAlive':
        return this.store.keepAlive(lease(step.lease));
      case 'grant': {
        const answer = await this.store.grantLease(step.ttlMs);
        if (answer.outcome === 'applied') this.leases.push(answer.lease);
        return answer;
      }
      case 'watch': {
        const recorder = new WatchRecorder();
        const watch = this.store.watch({ start: step.start, end: step.end, fromRevision: step.fromRevision }, recorder);
        this.watches.push({ recorder, watch });
        return 'watching';
      }
    }
  }

  /** Plain data, with each lease by its number. */
  #shown(answer: unknown): unknown {
    return JSON.parse(
      JSON.stringify(answer ?? null, (name, value) =>
        name === 'lease' ? `lease ${this.leases.indexOf(value as LeaseId)}` : (value as unknown),
      ),
    );
  }

  /** Awaits that every watch has told its marker, or been lost. */
  async settled(marker: string): Promise<unknown> {
    const all: unknown[] = [];
    for (const { recorder } of this.watches) {
      await recorder.until(
        ({ events, lost }) =>
          lost !== undefined || events.some((event) => event.type === 'put' && event.kv.value.toString() === marker),
      );
      for (const { events, revision } of recorder.calls) {
        const last = events.at(-1);
        expect(last?.type === 'put' ? last.kv.modRevision : last?.modRevision).toBe(revision);
      }
      all.push({ events: this.#shown(recorder.events), lost: recorder.lost?.reason });
    }
    return all;
  }
}

describe('the memory store answers as etcd does', () => {
  it.each(SEEDS)('seed %i', async (seed) => {
    const random = new SeededRandom(seed);
    const prefix = `/differential/${seed}/`;
    const first = BigInt(await write(real, put(`${prefix}~`)));
    // The memory server's own first revision is 1.
    const server = new MemoryServer({ clock: systemClock, revisionBase: first - 2n });
    const memory: MemoryStore = server.connect();
    await write(memory, put(`${prefix}~`));
    const [expected, actual] = [new Side(real), new Side(memory)];
    const log: string[] = [];
    const both = async (step: Step) => {
      const [etcdSaid, memorySaid] = [await expected.perform(step), await actual.perform(step)];
      log.push(`${log.length} ${JSON.stringify(step)}`);
      expect(memorySaid, `seed ${seed}, the last of:\n${log.slice(-5).join('\n')}`).toEqual(etcdSaid);
    };
    let marks = 0;
    const mark = async () => {
      marks += 1;
      const marker = `marker ${marks}`;
      // In every range a step can watch, so that each watch ends with the same event.
      for (const { watch } of [...expected.watches, ...actual.watches]) expect(watch).toBeDefined();
      const starts = [...new Set(watched.map(({ start }) => start))];
      if (starts.length > 0)
        await both({ do: 'txn', txn: () => ({ compares: [], success: starts.map((key) => put(key, marker)) }) });
      expect(await actual.settled(marker), `watches of seed ${seed}`).toEqual(await expected.settled(marker));
    };
    const watched: { start: string }[] = [];
    for (let i = 0; i < STEPS; i += 1) {
      const last = BigInt(server.revision);
      const step = randomStep(random, { prefix, first, last, leases: expected.leases.length });
      if (step.do === 'watch') {
        if (BigInt(step.fromRevision) > last + 1n || watched.length >= 8) continue;
        const opened = expected.watches.length;
        await both(step);
        if (expected.watches.length > opened) watched.push(step);
        await mark();
      } else await both(step);
    }
    await mark();
    const everything = { start: prefix, end: prefixEnd(prefix) };
    await both({ do: 'range', query: everything });
    for (const { watch } of [...expected.watches, ...actual.watches]) watch.cancel();
    await memory.close();
    server.stop();
  });
});

/**
 * Draws the interleavings that the compares of the protocol are there for. Left to chance they are rare: they need one node
 * held between its look and its write while another does one certain thing. So calls are looked at as they are sent, and some
 * that could go wrong are held while just that happens. What a call is about is told from its writes, not from its compares:
 * a mutant without the compare is ambushed as well.
 *
 *   adoption          held while the dead node comes back
 *   put into a queue  held while its node dies, and its queue with it
 *   release, skip     held while the header changes: a task retry, a cancel by force
 *   claim             held beyond its deadline, and so is what follows: whoever reads back sees nothing yet
 *   cancel mark       held while the claim it marks is given back and made anew
 */
import { lastPart } from '@boi/cluster';
import { BoiError, type SpecId, specOf, type TaskId } from '@boi/core';
import { SeededRandom } from '@boi/core/testing';
import { DEADLINE_DEFAULT_MS, type Op } from '@boi/store';
import type { CallFault, StoreCall } from '@boi/store/testing';
import type { Host } from './host.ts';
import type { World } from './world.ts';

/** Chance that a call that could be ambushed is. */
const CHANCES = { adoption: 0.35, put: 0.04, coordination: 0.25, claim: 0.03, mark: 0.3 } as const;
/** In all of a run: the rest of it must look like any other. */
const AMBUSHES_MAX = 10;
const SLOW_FOR_MS = 9_000;

interface Writes {
  /** Queues that lose an entry, and tasks. */
  readonly deleted: readonly { readonly owner: string; readonly task: TaskId }[];
  readonly put: readonly { readonly owner: string; readonly task: TaskId; readonly marked: boolean }[];
  /** Spec whose blocked tasks are released or ended. */
  readonly unblocks: SpecId | undefined;
}

export class Ambusher {
  readonly #world: World;
  readonly #random: SeededRandom;
  #left = AMBUSHES_MAX;
  /** Off before the first step and once everything is repaired. */
  armed = false;

  constructor(world: World) {
    this.#world = world;
    this.#random = new SeededRandom(world.seed * 104_729 + 7);
  }

  ambush(host: Host, call: StoreCall): CallFault | undefined {
    if (!this.armed || this.#left === 0 || (call.method !== 'txn' && call.method !== 'batch')) return undefined;
    const ops = call.method === 'txn' ? call.txn.success : call.batch.items.flatMap(({ success }) => success);
    const fault = this.#spring(host, this.#writesOf(ops));
    if (fault !== undefined) this.#left--;
    return fault;
  }

  #spring(host: Host, { deleted, put, unblocks }: Writes): CallFault | undefined {
    const dead = deleted.find(({ owner }) => owner !== host.id && owner !== 'unassigned' && !this.#isLive(owner));
    if (dead !== undefined) return this.#chance('adoption') ? this.#comesBack(dead.owner) : undefined;
    if (unblocks !== undefined && this.#chance('coordination')) return this.#headerChanges(host, unblocks);
    const marked = put.find(({ marked }) => marked);
    if (marked !== undefined && deleted.length === 0)
      return this.#chance('mark') ? this.#claimChanges(host, marked.owner) : undefined;
    const foreign = put.find(({ owner }) => owner !== host.id && this.#isLive(owner));
    if (foreign !== undefined) return this.#chance('put') ? this.#dies(foreign.owner) : undefined;
    const claimed = put.some(({ owner }) => owner === host.id);
    if (claimed && deleted.length === 0 && this.#chance('claim')) return this.#isNotHeardOf(host);
    return undefined;
  }

  #chance(kind: keyof typeof CHANCES): boolean {
    return this.#random.next() < CHANCES[kind];
  }

  #isLive(node: string): boolean {
    const { server, referee } = this.#world;
    return server.get(referee.keys.node(node as Host['id'])).kv !== undefined;
  }

  #host(node: string): Host | undefined {
    return this.#world.hosts.find(({ id }) => id === node);
  }

  #comesBack(node: string): CallFault | undefined {
    const host = this.#host(node);
    if (host === undefined) return undefined;
    const { tally } = this.#world;
    if (host.state === 'off') void host.start('fair');
    else if (host.state !== 'up' || !(host.frozen || host.cut)) return undefined;
    else {
      host.heal();
      host.thaw();
      host.weather('fair');
    }
    tally.add('adopter held while the dead node comes back');
    return { requestDelayMs: 300 + this.#random.int(4_000) };
  }

  #dies(node: string): CallFault | undefined {
    const host = this.#host(node);
    if (host?.state !== 'up') return undefined;
    this.#world.tally.add('put held while its target dies');
    host.crash({ loseDisk: false });
    host.expire();
    return { requestDelayMs: 20 + this.#random.int(900) };
  }

  /** By way of another node, which sees the spec as it is. */
  #headerChanges(coordinator: Host, spec: SpecId): CallFault | undefined {
    const { hosts, referee, tally, project } = this.#world;
    const others = hosts.filter((host) => host !== coordinator && host.believesLive && !host.cut);
    const api = others.length === 0 ? undefined : this.#random.pick(others).node?.api;
    const header = referee.specs.get(spec);
    if (api === undefined || header === undefined || project === undefined) return undefined;
    const ended = referee.endedTasks.filter((task) => specOf(task) === spec);
    const retry = header.state === 'active' && header.failing !== true && ended.length > 0 && this.#random.next() < 0.8;
    tally.add('coordinator held while the header changes');
    if (retry) {
      tally.add('task retry');
      // The one that ended last is what the coordinator acts on most likely.
      const task = this.#random.next() < 0.6 ? (ended.at(-1) as TaskId) : this.#random.pick(ended);
      this.#ask(api.retryTask(project, task));
    } else {
      tally.add('spec cancel');
      tally.add('spec cancel again');
      referee.asked(spec);
      this.#ask(api.cancelSpec(project, spec).then(() => api.cancelSpec(project, spec)));
    }
    return { requestDelayMs: 100 + this.#random.int(1_400) };
  }

  #isNotHeardOf(host: Host): CallFault {
    const { tally, clock } = this.#world;
    tally.add('claim held beyond its deadline');
    tally.add('request after its deadline');
    const lateMs = DEADLINE_DEFAULT_MS + 20 + this.#random.int(1_000);
    clock.timer(DEADLINE_DEFAULT_MS - 1, () => host.weather('slow'));
    clock.timer(SLOW_FOR_MS, () => host.weather('fair'));
    return { requestDelayMs: lateMs, underWay: true };
  }

  #claimChanges(marker: Host, owner: string): CallFault | undefined {
    const { tally, clock, project } = this.#world;
    const host = this.#host(owner);
    const api = host?.node?.api;
    if (host === undefined || api === undefined || project === undefined || host === marker) return undefined;
    tally.add('cancel mark held while the claim changes');
    // What is claimed ahead is given back, and claimed again under another nonce.
    this.#ask(api.setPaused(true));
    clock.timer(200 + this.#random.int(1_500), () => {
      const now = host.node?.api;
      if (now !== undefined) this.#ask(now.setPaused(false));
    });
    return { requestDelayMs: 1_800 + this.#random.int(2_500) };
  }

  #ask(answer: Promise<unknown>): void {
    this.#world.call(
      answer.catch((error: unknown) => {
        if (!(error instanceof BoiError)) throw error;
      }),
    );
  }

  #writesOf(ops: readonly Op[]): Writes {
    const { keys } = this.#world.referee;
    const deleted: { owner: string; task: TaskId }[] = [];
    const put: { owner: string; task: TaskId; marked: boolean }[] = [];
    let unblocks: SpecId | undefined;
    for (const op of ops) {
      if (op.op === 'get') continue;
      const [kind, owner = ''] = keys.parts(op.key) ?? [];
      const task = lastPart(op.key) as TaskId;
      if (kind === 'queue' && op.op === 'delete') deleted.push({ owner, task });
      else if (kind === 'queue' && op.op === 'put')
        put.push({ owner, task, marked: String(op.value).includes('"cancel":') });
      else if (kind === 'blocked' && op.op === 'delete') unblocks = specOf(task);
    }
    return { deleted, put, unblocks };
  }
}

/**
 * Slots of concurrency keys, as the claim plan sees them. At most `limit` tasks with a key run at once in a project: each
 * holds the record of one slot, put by its claim and deleted by whatever ends or moves that claim.
 *
 * As long as nobody was refused a slot nothing is read: the plan guesses. A refusal opens a mirror of that key's slots, which
 * says exactly which are free and wakes the claim loop when one becomes so. It is closed again when no entry waits for it.
 */
import type { ProjectId, Random } from '@boi/core';
import { Mirror } from '../base/mirror.ts';
import type { ClusterContext } from '../context.ts';
import { lastPart } from '../keys.ts';
import { codecs, type LockRecord } from '../records.ts';

interface Contended {
  readonly project: ProjectId;
  readonly hash: string;
  readonly mirror: Mirror<LockRecord>;
  /** Refused since the mirror last changed: what it shows is behind. */
  stale: boolean;
  listed: boolean;
}

export class Locks {
  readonly #ctx: ClusterContext;
  readonly #wake: () => void;
  /** Slots held by tasks in this node's queue. */
  readonly #own: (project: ProjectId, hash: string) => ReadonlySet<number>;
  readonly #contended = new Map<string, Contended>();
  readonly #stops = new Set<Promise<void>>();

  constructor(ctx: ClusterContext, own: (project: ProjectId, hash: string) => ReadonlySet<number>, wake: () => void) {
    this.#ctx = ctx;
    this.#own = own;
    this.#wake = wake;
  }

  /** Slots that may be free. Starts anywhere, so that nodes that claim at once rarely want the same one. */
  *slots(project: ProjectId, hash: string, limit: number): Iterable<number> {
    const contended = this.#contended.get(`${project}/${hash}`);
    const taken = new Set(this.#own(project, hash));
    if (contended !== undefined) {
      if (contended.stale || !contended.listed) return;
      for (const key of contended.mirror.entries.keys()) taken.add(Number(lastPart(key)));
      for (const key of contended.mirror.broken.keys()) taken.add(Number(lastPart(key)));
    }
    const start = pickStart(this.#ctx.random, limit);
    for (let i = 0; i < limit; i++) {
      const slot = (start + i) % limit;
      if (!taken.has(slot)) yield slot;
    }
  }

  /** A claim was refused because its slot was taken. */
  refused(project: ProjectId, hash: string): void {
    const key = `${project}/${hash}`;
    const known = this.#contended.get(key);
    if (known !== undefined) {
      known.stale = true;
      // The change that makes it current may be under way already, or never come if it was heard of before the refusal.
      if (known.listed) this.#refresh(known);
      return;
    }
    const range = this.#ctx.keys.locksOf(project, hash);
    const mirror = new Mirror<LockRecord>({ ctx: this.#ctx, range, codec: codecs.lock, what: 'locks' });
    const contended: Contended = { project, hash, mirror, stale: false, listed: false };
    this.#contended.set(key, contended);
    mirror.onChange(() => {
      contended.stale = false;
      this.#wake();
    });
    mirror.start().then(
      () => {
        contended.listed = true;
        // Nothing may have changed since: no event would say that a second refusal is older than this listing.
        contended.stale = false;
        this.#wake();
      },
      () => undefined,
    );
  }

  /** Forgets the keys nobody waits for. */
  tidy(waits: (project: ProjectId, hash: string) => boolean): void {
    for (const [key, { project, hash, mirror }] of this.#contended) {
      if (waits(project, hash)) continue;
      this.#contended.delete(key);
      this.#stopMirror(mirror);
    }
  }

  async stop(): Promise<void> {
    this.tidy(() => false);
    await Promise.all(this.#stops);
  }

  #refresh(contended: Contended): void {
    contended.mirror.resync().then(
      () => {
        contended.stale = false;
        this.#wake();
      },
      () => undefined,
    );
  }

  #stopMirror(mirror: Mirror<LockRecord>): void {
    const stop = mirror.stop().finally(() => this.#stops.delete(stop));
    this.#stops.add(stop);
  }
}

function pickStart(random: Random, limit: number): number {
  return limit === 1 ? 0 : Math.floor(random.next() * limit);
}

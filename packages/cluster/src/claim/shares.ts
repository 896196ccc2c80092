/**
 * Shares of projects in the order of claims. Not worth a watch on every node: read when a project is met, and again after a
 * while; until then, and when it cannot be read, a project has the share of any other.
 */
import type { ProjectId } from '@boi/core';
import type { ClusterContext } from '../context.ts';
import { codecs } from '../records.ts';

const SHARE_DEFAULT = 1;
const REREAD_MS = 30_000;

export class Shares {
  readonly #ctx: ClusterContext;
  readonly #known = new Map<ProjectId, { share: number; readonly atMono: number }>();
  readonly #reads = new Set<Promise<void>>();

  constructor(ctx: ClusterContext) {
    this.#ctx = ctx;
  }

  of(project: ProjectId): number {
    const known = this.#known.get(project);
    const nowMono = this.#ctx.clock.mono();
    if (known === undefined || nowMono - known.atMono > REREAD_MS) {
      const next = { share: known?.share ?? SHARE_DEFAULT, atMono: nowMono };
      this.#known.set(project, next);
      const read = this.#read(project, next).finally(() => this.#reads.delete(read));
      this.#reads.add(read);
    }
    return known?.share ?? SHARE_DEFAULT;
  }

  /** Forgets projects without entries here, once they would be read again: a queue is empty between any two tasks of a chain. */
  keep(projects: Iterable<ProjectId>): void {
    const wanted = new Set(projects);
    const nowMono = this.#ctx.clock.mono();
    for (const [project, { atMono }] of this.#known)
      if (!wanted.has(project) && nowMono - atMono > REREAD_MS) this.#known.delete(project);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reads);
  }

  async #read(project: ProjectId, into: { share: number }): Promise<void> {
    try {
      const { kv } = await this.#ctx.store.get(this.#ctx.keys.project(project));
      const share = kv === undefined ? undefined : codecs.project.decode(kv.key, kv.value).share;
      // A share of 0 would be divided by: the least there is instead.
      into.share = share === undefined ? SHARE_DEFAULT : Math.max(share, 0.01);
    } catch (error) {
      this.#ctx.log.debug({ err: error, project }, 'the share of a project could not be read');
    }
  }
}

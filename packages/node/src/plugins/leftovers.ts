/**
 * What a plugin still has and nobody needs: of an earlier life of this daemon, looked up as soon as the plugin is first ready; and of
 * this one, where it could not be cleared when its time had come. Keys are never used again, so whatever is listed, not of
 * this life and not taken up by it is nobody's any more: the cluster has given those claims away, or will have them claimed anew
 * under another fence.
 *
 * Clearing is tried until it succeeds: every second while the plugin is ready, else at its next change of state. An unstable one becomes
 * ready only when an operator restarts it, and is cleared then.
 */
import { type Clock, sleep } from '@boi/core';
import type { PluginChannel, PluginSupervisor } from '@boi/plugin-host';
import type { Logger } from '@boi/system';

const RETRY_MS = 1_000;

/** What is made of the plugins that tasks run with: workspaces and pools. */
export interface TaskPluginDeps {
  /** At least one. */
  readonly supervisors: readonly PluginSupervisor[];
  readonly clock: Clock;
  readonly log: Logger;
  /** The node's session epoch, for the plugin's information. */
  readonly epoch: () => string | undefined;
}

export interface LeftoversDeps {
  readonly supervisor: PluginSupervisor;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the plugin has that may be cleared. */
  readonly list: (channel: PluginChannel) => Promise<readonly Left[]>;
  readonly clear: (channel: PluginChannel, left: Left) => Promise<unknown>;
}

/** A claim's key, as plugins are told of it. */
export interface Left {
  readonly taskId: string;
  /** Decimal. */
  readonly fence: string;
}

export class Leftovers {
  /** Resolves when nothing of an earlier life is left; never rejects. */
  readonly cleared: Promise<void>;
  readonly #deps: LeftoversDeps;
  readonly #stopping = new AbortController();
  #resolve: () => void = () => undefined;
  #working: Promise<void> = Promise.resolve();
  /** Claims of this life, and those it takes up, until everything else is cleared. */
  #own: Set<string> | undefined = new Set();

  constructor(deps: LeftoversDeps) {
    this.#deps = deps;
    this.cleared = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Begins with what an earlier life left. */
  start(): void {
    this.#enqueue(async (channel) => {
      const listed = await this.#deps.list(channel);
      const left = listed.filter((one) => this.#own?.has(keyOf(one)) === false);
      for (const one of left) await this.#deps.clear(channel, one);
      const { log, supervisor } = this.#deps;
      const plugin = supervisor.config.name;
      if (left.length > 0) log.warn({ plugin, count: left.length }, 'cleared what an earlier life of this daemon left');
      this.#own = undefined;
      this.#resolve();
    });
  }

  /** Of this life, or taken up by it: not to be cleared. To be called before the plugin hears of it. */
  spare(own: Left): void {
    this.#own?.add(keyOf(own));
  }

  /** Of this life, and could not be cleared just now. */
  later(left: Left): void {
    this.#enqueue((channel) => this.#deps.clear(channel, left));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'));
    await this.#working;
  }

  #enqueue(work: (channel: PluginChannel) => Promise<unknown>): void {
    this.#working = this.#working.then(() => this.#insist(work));
  }

  async #insist(work: (channel: PluginChannel) => Promise<unknown>): Promise<void> {
    const { supervisor, clock, log } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await work(await supervisor.untilReady(signal));
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ plugin: supervisor.config.name, err: error }, 'what nobody needs any more is not cleared yet');
        if (supervisor.status.state === 'ready') await sleep(clock, RETRY_MS, signal).catch(() => undefined);
        else await supervisor.changed(signal);
      }
    }
  }
}

function keyOf({ taskId, fence }: Left): string {
  return `${taskId} ${fence}`;
}

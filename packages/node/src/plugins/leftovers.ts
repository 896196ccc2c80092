/**
 * What a plugin still has of an earlier life of this daemon: looked up as soon as the plugin is first ready, and cleared. Keys are
 * never used again, so whatever is listed and not of this life is nobody's any more: the cluster has given those claims away,
 * or will have them claimed anew under another fence.
 */
import { type Clock, sleep } from '@boi/core';
import type { PluginChannel, PluginSupervisor } from '@boi/plugin-host';
import type { Logger } from '@boi/system';

const RETRY_MS = 1_000;

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
  /** Claims of this life, until everything else is cleared. */
  #own: Set<string> | undefined = new Set();
  #working: Promise<void> | undefined;

  constructor(deps: LeftoversDeps) {
    this.#deps = deps;
    this.cleared = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  start(): void {
    this.#working ??= this.#work();
  }

  /** Of this life: not to be cleared. To be called before the plugin hears of it. */
  spare({ taskId, fence }: Left): void {
    this.#own?.add(`${taskId} ${fence}`);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the node is stopping'));
    await this.#working;
  }

  async #work(): Promise<void> {
    const { supervisor, clock, log } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const count = await this.#clear(await supervisor.untilReady(signal));
        if (count > 0)
          log.warn({ plugin: supervisor.config.name, count }, 'cleared what an earlier life of this daemon left');
        this.#own = undefined;
        this.#resolve();
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn(
          { plugin: supervisor.config.name, err: error },
          'what an earlier life of this daemon left is not cleared yet',
        );
        // Unstable, it becomes ready only when an operator restarts it: its next change is worth waiting for.
        const state = supervisor.status.state;
        if (state === 'ready') await sleep(clock, RETRY_MS, signal).catch(() => undefined);
        else await supervisor.changed(signal);
      }
    }
  }

  async #clear(channel: PluginChannel): Promise<number> {
    const listed = await this.#deps.list(channel);
    const left = listed.filter(({ taskId, fence }) => this.#own?.has(`${taskId} ${fence}`) === false);
    for (const one of left) await this.#deps.clear(channel, one);
    return left.length;
  }
}

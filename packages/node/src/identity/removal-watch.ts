/**
 * Tells a node that it is no member any more: somebody has removed or expelled it. Seen in the directory, and then asked of the
 * store, where the CA must still be: a store that is wiped or restored under us shows no members either, for a moment or for
 * good, and says nothing of this node. While the store is away nothing is decided.
 */
import type { IdentityApi } from '@boi/cluster';
import { type Clock, type NodeId, sleep } from '@boi/core';
import type { Logger } from '@boi/system';

const AGAIN_MS = 2_000;

export interface RemovalWatchOptions {
  readonly identity: Pick<IdentityApi, 'directory' | 'rotation'>;
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called once. */
  readonly onRemoved: () => void;
}

export class RemovalWatch {
  readonly #options: RemovalWatchOptions;
  readonly #stopping = new AbortController();
  #unsubscribe: (() => void) | undefined;
  #asking: Promise<void> | undefined;

  constructor(options: RemovalWatchOptions) {
    this.#options = options;
  }

  /** The node is a member now. */
  start(): void {
    const { directory } = this.#options.identity;
    this.#unsubscribe = directory.onChange(() => this.#look());
    this.#look();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#stopping.abort(new Error('the node stops'));
    await this.#asking;
  }

  #gone(): boolean {
    return this.#options.identity.directory.member(this.#options.node) === undefined;
  }

  #look(): void {
    if (this.#gone()) this.#asking ??= this.#ask();
  }

  /** Until it is sure, or a member again. */
  async #ask(): Promise<void> {
    const { identity, node, clock, log, onRemoved } = this.#options;
    const { signal } = this.#stopping;
    while (this.#gone() && !signal.aborted) {
      try {
        // Throws when there is no CA: then it is not this node alone that is gone.
        const { members } = await identity.rotation();
        if (signal.aborted) return;
        if (members.every(({ id }) => id !== node)) {
          // Not asked again.
          this.#unsubscribe?.();
          onRemoved();
          return;
        }
      } catch (error) {
        log.warn({ err: error }, 'this node seems to be no member any more; looking again');
      }
      await sleep(clock, AGAIN_MS, signal).catch(() => undefined);
    }
    this.#asking = undefined;
  }
}

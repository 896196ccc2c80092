/** What the delivery of events needs from outside. */
import type { IntendedEvent, Settlement } from '@boi/core';

/**
 * How far a plugin has acknowledged, kept where it outlives this host's disk: `hooks-hwm/{nod}/{plugin}` in the store. Both may
 * reject while the store is away; delivery goes on, and what is not recorded is delivered again after a restart.
 */
export interface HighWaterMarks {
  /** 0 if none was recorded. */
  read(plugin: string): Promise<number>;
  /** Records `sequence` if it is higher than what is recorded (compare-and-swap); resolves also if it was not. */
  raise(plugin: string, sequence: number): Promise<void>;
}

/** Finds out, by reading the store, whether the change of an unresolved intent was made. A rejection counts as `unknown`. */
export type SettleIntent = (intended: IntendedEvent) => Promise<Settlement>;

/** Marks that live as long as the process: for `boi-node plugin test` and programs without a store. */
export class MemoryHighWaterMarks implements HighWaterMarks {
  readonly #marks = new Map<string, number>();

  read(plugin: string): Promise<number> {
    return Promise.resolve(this.#marks.get(plugin) ?? 0);
  }

  raise(plugin: string, sequence: number): Promise<void> {
    this.#marks.set(plugin, Math.max(sequence, this.#marks.get(plugin) ?? 0));
    return Promise.resolve();
  }
}

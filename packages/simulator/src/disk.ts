/**
 * A host's disk: the results it keeps survive the process, and its last session is noted there for the next one, which may take it for over
 * unless the host was started anew. It may refuse to write, or to remove what it has, for a while.
 */
import type { BufferedResult, ResultBuffer, SessionMemory } from '@boi/cluster';
import { MemoryBuffer } from '@boi/cluster/testing';
import { BoiError, type TaskId } from '@boi/core';
import type { Tally } from './kinds.ts';

export type DiskState = 'sound' | 'read-only' | 'keeping';

export class Disk implements ResultBuffer {
  #buffer = new MemoryBuffer();
  #epoch: string | undefined;
  readonly #tally: Tally;
  readonly session: SessionMemory = {
    read: async () => {
      if (this.#epoch !== undefined) this.#tally.add('session of the last life known');
      return this.#epoch;
    },
    write: async (epoch) => {
      this.#writable();
      this.#epoch = epoch;
    },
  };
  /** *read-only*: nothing is written; *keeping*: nothing is removed. */
  state: DiskState = 'sound';

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  get results(): readonly BufferedResult[] {
    return this.#buffer.results;
  }

  has(task: string, nonce: string): boolean {
    return this.results.some((result) => result.task === task && result.nonce === nonce);
  }

  /** Tasks of which it has a result. */
  get tasks(): TaskId[] {
    return this.results.map(({ task }) => task as TaskId);
  }

  lose(): void {
    this.#buffer = new MemoryBuffer();
    this.reboot();
  }

  /** Another boot of the host: what was noted proves nothing any more. */
  reboot(): void {
    this.#epoch = undefined;
  }

  async append(result: BufferedResult): Promise<void> {
    this.#writable();
    await this.#buffer.append(result);
  }

  #writable(): void {
    if (this.state !== 'read-only') return;
    this.#tally.add('disk refuses to write');
    throw new BoiError('internal', 'EROFS, as drawn');
  }

  all(): Promise<readonly BufferedResult[]> {
    return this.#buffer.all();
  }

  async remove(task: string, fence: string): Promise<void> {
    if (this.state === 'keeping') {
      this.#tally.add('disk refuses to forget');
      throw new BoiError('internal', 'EIO, as drawn');
    }
    await this.#buffer.remove(task, fence);
  }
}

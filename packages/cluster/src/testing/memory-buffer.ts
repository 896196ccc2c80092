import type { BufferedResult, ResultBuffer } from '../node-types.ts';

/** A result buffer that survives the node, as a disk does. */
export class MemoryBuffer implements ResultBuffer {
  readonly results: BufferedResult[] = [];
  /** Whatever was ever appended. */
  appended = 0;

  async append(result: BufferedResult): Promise<void> {
    this.appended++;
    this.results.push(result);
  }

  async all(): Promise<readonly BufferedResult[]> {
    return [...this.results];
  }

  async remove(task: string, fence: string): Promise<void> {
    const at = this.results.findIndex((result) => result.task === task && result.fence === fence);
    if (at >= 0) this.results.splice(at, 1);
  }
}

/** Memory and open descriptors of each daemon, looked at now and then: flat, or not. */
import { readdirSync } from 'node:fs';
import type { Cluster } from '../support/cluster.ts';

interface Sample {
  readonly bytes: number;
  readonly fds: number;
}

export interface Trend {
  readonly node: string;
  readonly samples: number;
  /** Processes it was, one after the other. */
  readonly lives: number;
  /** Medians of the first and the last quarter of the samples. */
  readonly bytes: readonly [number, number];
  readonly fds: readonly [number, number];
}

const EVERY_MS = 1_000;

export class Samples {
  readonly #cluster: Cluster;
  readonly #of = new Map<string, { samples: Sample[]; pids: Set<number> }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  trends(): Trend[] {
    return [...this.#of].map(([node, { samples, pids }]) => {
      const quarter = Math.max(1, Math.floor(samples.length / 4));
      const both = (of: (sample: Sample) => number) =>
        [median(samples.slice(0, quarter).map(of)), median(samples.slice(-quarter).map(of))] as const;
      return {
        node,
        samples: samples.length,
        lives: pids.size,
        bytes: both(({ bytes }) => bytes),
        fds: both(({ fds }) => fds),
      };
    });
  }

  #look(): void {
    for (const node of this.#cluster.nodes) {
      if (!node.alive) continue;
      const of = this.#of.get(node.name) ?? { samples: [], pids: new Set<number>() };
      this.#of.set(node.name, of);
      try {
        const fds = readdirSync(`/proc/${node.pid}/fd`).length;
        const bytes = node.residentBytes;
        // Starting, or gone since.
        if (bytes === 0 || fds === 0) continue;
        of.pids.add(node.pid);
        of.samples.push({ bytes, fds });
      } catch {
        // It ended between the two looks.
      }
    }
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

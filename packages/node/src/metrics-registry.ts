/** Prometheus registry behind the `MetricSink` that every part counts into. Every metric is declared in a table; an undeclared name is a bug. */

import type { MetricSink } from '@boi/cluster';
import { assert } from '@boi/core';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds in seconds, for histograms. */
  readonly buckets?: readonly number[];
}

const DEFAULT_BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class MetricsRegistry implements MetricSink {
  readonly #registry = new Registry();
  readonly #metrics = new Map<string, Counter | Gauge | Histogram>();

  constructor(table: Readonly<Record<string, MetricSpec>>) {
    for (const [name, spec] of Object.entries(table)) {
      const common = { name, help: spec.help, labelNames: [...(spec.labels ?? [])], registers: [this.#registry] };
      const metric =
        spec.type === 'counter'
          ? new Counter(common)
          : spec.type === 'gauge'
            ? new Gauge(common)
            : new Histogram({ ...common, buckets: [...(spec.buckets ?? DEFAULT_BUCKETS_S)] });
      this.#metrics.set(name, metric);
    }
  }

  count(name: string, by = 1, labels: Readonly<Record<string, string>> = {}): void {
    const metric = this.#metrics.get(name);
    assert(metric instanceof Counter, `${name} is not a declared counter`);
    metric.inc({ ...labels }, by);
  }

  gauge(name: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const metric = this.#metrics.get(name);
    assert(metric instanceof Gauge, `${name} is not a declared gauge`);
    metric.set({ ...labels }, value);
  }

  observe(name: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const metric = this.#metrics.get(name);
    assert(metric instanceof Histogram, `${name} is not a declared histogram`);
    metric.observe({ ...labels }, value);
  }

  /** The exposition text. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

/** Metrics of the daemon itself; those of the protocol are in the cluster package, those of the store where it is wired. */
import type { MetricSpec } from './metrics-registry.ts';

export const NODE_METRICS = {
  boi_core_http_requests_total: {
    type: 'counter',
    help: 'Requests answered, by route pattern and status.',
    labels: ['route', 'status'],
  },
  boi_core_http_request_seconds: {
    type: 'histogram',
    help: 'From the request to the end of its answer, by route pattern. Streams count their whole life.',
    labels: ['route'],
  },
  boi_core_store_operations_total: { type: 'counter', help: 'Operations sent to the store, by kind.', labels: ['op'] },
  boi_core_store_requests_total: { type: 'counter', help: 'Requests sent to the store, by call.', labels: ['call'] },
  boi_core_store_request_seconds: {
    type: 'histogram',
    help: 'Time a request to the store took, by call.',
    labels: ['call'],
  },
  boi_core_store_watch_events_total: { type: 'counter', help: 'Watch events received.' },
  boi_core_events_total: {
    type: 'counter',
    help: 'Events of the catalogue that this node emitted, by kind.',
    labels: ['kind'],
  },
  boi_core_process_resident_bytes: { type: 'gauge', help: 'Resident memory of the daemon.' },
  boi_core_process_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'Mean delay of the event loop since the last scrape.',
  },
  boi_core_log_bytes: { type: 'gauge', help: 'Bytes of task logs on disk at the last retention sweep.' },
} as const satisfies Record<string, MetricSpec>;

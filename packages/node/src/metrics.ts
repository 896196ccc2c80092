/** Metrics of the daemon itself; those of the protocol are in the cluster package, those of the store where it is wired. */
import type { MetricSpec } from './metrics-registry.ts';

export const NODE_METRICS = {
  boi_core_http_requests_total: {
    type: 'counter',
    help: 'Requests answered, by method, route pattern and status.',
    labels: ['method', 'route', 'status'],
  },
  boi_core_http_request_seconds: {
    type: 'histogram',
    help: 'From the request to the end of its answer, by method and route pattern. Streams count their whole life.',
    labels: ['method', 'route'],
  },
  boi_core_dispatch_seconds: {
    type: 'histogram',
    help: 'From the request for a dispatch to its acceptance; those that were not accepted do not count.',
  },
  boi_core_store_writes_total: { type: 'counter', help: 'Puts and deletes applied by the store for this node.' },
  boi_core_store_reads_total: { type: 'counter', help: 'Keys read one by one and pages of ranges.' },
  boi_core_store_requests_total: {
    type: 'counter',
    help: 'Requests sent to the store, by method and outcome.',
    labels: ['method', 'outcome'],
  },
  boi_core_store_request_seconds: {
    type: 'histogram',
    help: 'Time a request to the store took, by method.',
    labels: ['method'],
  },
  boi_core_store_watch_events_total: { type: 'counter', help: 'Watch events received.' },
  boi_core_store_watches_lost_total: {
    type: 'counter',
    help: 'Watches that had to be opened anew after a list, by reason.',
    labels: ['reason'],
  },
  boi_core_buffered_results_evicted_total: {
    type: 'counter',
    help: 'Results given up because their buffer on disk was full; their tasks run again.',
  },
  boi_core_buffered_results_bytes: {
    type: 'gauge',
    help: 'Size of the results kept on disk until the store takes them.',
  },
  boi_core_log_bytes: {
    type: 'gauge',
    help: 'Size of the logs of tasks on the disk of this node, as of the last sweep, which is every ten minutes.',
  },
  boi_core_data_dir_free_bytes: {
    type: 'gauge',
    help: 'Free for the daemon on the file system of its data directory, where logs, work directories and kept results are.',
  },
  boi_core_hook_backlog: {
    type: 'gauge',
    help: 'Events that a hooks plugin has not acknowledged, by its name.',
    labels: ['plugin'],
  },
  boi_core_hook_drops_total: {
    type: 'counter',
    help: 'Events that a hooks plugin of the best-effort tier did not get for want of room, by its name.',
    labels: ['plugin'],
  },
  boi_core_hook_saturations_total: {
    type: 'counter',
    help: 'Times the work of this node had to wait for a plugin of the audit tier, by its name.',
    labels: ['plugin'],
  },
  boi_core_plugin_ready: {
    type: 'gauge',
    help: '1 while the plugin of that name is ready, else 0.',
    labels: ['plugin'],
  },
  boi_core_plugin_unstable: {
    type: 'gauge',
    help: '1 while the plugin of that name is left stopped since it crashed too often, else 0.',
    labels: ['plugin'],
  },
  boi_core_plugin_restarts_total: {
    type: 'counter',
    help: 'Times a plugin was started again after a crash, by its name.',
    labels: ['plugin'],
  },
  boi_core_cert_days_remaining: { type: 'gauge', help: "Days until this node's certificate expires." },
  boi_core_ca_days_remaining: { type: 'gauge', help: 'Days until the certificate of the CA that signs expires.' },
  boi_core_cert_renewals_total: { type: 'counter', help: 'Times this node renewed its certificate.' },
  boi_core_credentials_refused_total: {
    type: 'counter',
    help: 'Requests with a credential that is not good, by reason.',
    labels: ['reason'],
  },
  boi_core_process_resident_bytes: { type: 'gauge', help: 'Resident memory of the daemon.' },
  boi_core_process_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'Mean delay of the event loop since the last scrape.',
  },
} as const satisfies Record<string, MetricSpec>;

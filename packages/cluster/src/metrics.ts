/**
 * Every metric of this package: name, type, meaning, labels. The daemon registers them from this table, the documentation is
 * made from it, and a test compares it with what the code emits. No label holds an id.
 */
import type { MetricSink } from './context.ts';

export interface MetricFacts {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
}

export const METRICS = {
  boi_core_session_live: { type: 'gauge', help: '1 while this node has a live session, else 0.' },
  boi_core_session_lost_total: { type: 'counter', help: 'Sessions that ended without being asked to.' },
  boi_core_session_keepalive_seconds: { type: 'histogram', help: 'Round trip of a keep-alive that succeeded.' },
  boi_core_session_keepalives_withheld_total: {
    type: 'counter',
    help: 'Keep-alives not sent because the claim loop did not turn.',
  },
  boi_core_events_total: {
    type: 'counter',
    help: 'Events of the catalogue that this node emitted, by kind.',
    labels: ['kind'],
  },
  boi_core_store_reachable: { type: 'gauge', help: '1 while the store answers this node, else 0.' },
  boi_core_store_unreachable_seconds: {
    type: 'gauge',
    help: 'Since the last answer of the store, while it is away; else 0.',
  },
  boi_core_store_rejections_total: {
    type: 'counter',
    help: 'Requests of the API refused since the store is away, or whose outcome is not known for that reason.',
    labels: ['code'],
  },
  boi_core_local_fallback: { type: 'gauge', help: '1 while an operator has taken this node out of work, else 0.' },
  boi_core_store_unknown_outcomes_total: {
    type: 'counter',
    help: 'Writes without a definite answer, sent again until there was one.',
  },
  boi_core_watch_lost_total: { type: 'counter', help: 'Watches that ended and were listed anew.', labels: ['what'] },
  boi_core_watch_repairs_total: {
    type: 'counter',
    help: 'Changes a watch never told of, found by comparing. Must stay 0.',
    labels: ['what'],
  },
  boi_core_records_unreadable_total: {
    type: 'counter',
    help: 'Records of an unknown shape or version that were left alone.',
    labels: ['what'],
  },
  boi_core_router_answers_total: {
    type: 'counter',
    help: 'Questions to the router by what came of them: used, or placed without: late, failed, invalid.',
    labels: ['outcome'],
  },
  boi_core_router_seconds: { type: 'histogram', help: 'How long placement waited for the router.' },
  boi_core_claims_total: { type: 'counter', help: 'Claims this node made.' },
  boi_core_claim_conflicts_total: {
    type: 'counter',
    help: 'Claims refused: the entry or a concurrency slot was taken, or the node, its settings or the cluster had changed.',
    labels: ['what'],
  },
  boi_core_claim_seconds: { type: 'histogram', help: 'Round trip of a batch of claims.' },
  boi_core_claim_latency_seconds: { type: 'histogram', help: 'From being queued to being claimed, by wall clocks.' },
  boi_core_tasks_started_total: { type: 'counter', help: 'Tasks handed to the runner.' },
  boi_core_tasks: {
    type: 'gauge',
    help: 'Tasks in this node’s queue by state: queued, ahead (claimed, waiting for a slot), running, ended (being committed).',
    labels: ['state'],
  },
  boi_core_slots: { type: 'gauge', help: 'Slots of this node.', labels: ['state'] },
  boi_core_commits_total: { type: 'counter', help: 'Results committed by this node.', labels: ['outcome'] },
  boi_core_commit_seconds: { type: 'histogram', help: 'Round trip of a batch of results.' },
  boi_core_commit_retries_total: {
    type: 'counter',
    help: 'Commits tried again: a cancel mark, header or target node had changed.',
  },
  boi_core_commits_pending: { type: 'gauge', help: 'Ended tasks whose result is not sent or not answered yet.' },
  boi_core_superseded_total: {
    type: 'counter',
    help: 'Tasks stopped (running) or results dropped (commit) because another node had taken the task over.',
    labels: ['step'],
  },
  boi_core_requeues_total: { type: 'counter', help: 'Claims given back to a queue.', labels: ['why'] },
  boi_core_moves_total: {
    type: 'counter',
    help: 'Entries moved between queues, other than by requeues of own claims.',
    labels: ['why'],
  },
  boi_core_provision_requests_total: {
    type: 'counter',
    help: 'Requests for a node made or ended by this node: requested, fulfilled, failed.',
    labels: ['outcome'],
  },
  boi_core_provision_seconds: {
    type: 'histogram',
    help: 'From asking for a node to its having joined, by wall clocks.',
  },
  boi_core_provisioned_nodes: { type: 'gauge', help: 'Nodes made by provisioners that this node looks after.' },
  boi_core_buffered_results: { type: 'gauge', help: 'Results kept on disk until the store takes them.' },
  boi_core_consecutive_start_failures: { type: 'gauge', help: 'Tasks in a row that could not be started here.' },
  boi_core_cooldowns_total: { type: 'counter', help: 'Times this node took itself out of placement.' },
  boi_core_version_skew: { type: 'gauge', help: 'Live nodes of another version than this one.' },
  boi_core_version_skew_violations: {
    type: 'gauge',
    help: 'Live nodes whose version is more than one minor version away from this one. Should be 0.',
  },
  boi_core_repairs_total: { type: 'counter', help: 'Records that `cluster fsck --repair` removed at this node.' },
  boi_core_compactions_total: { type: 'counter', help: 'Times this node dropped old history from the store.' },
  boi_core_specs_archived_total: { type: 'counter', help: 'Finished specs this node moved into the archive.' },
  boi_core_specs_removed_total: { type: 'counter', help: 'Archived specs this node removed by age.' },
} as const satisfies Readonly<Record<string, MetricFacts>>;

/** For tools and tests that look at no metrics. */
export const NO_METRICS: MetricSink = { count() {}, gauge() {}, observe() {} };

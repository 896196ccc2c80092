// Original file: proto/boi/hooks/v1/hooks.proto

/**
 * EventKind is the catalogue of events: every kind there is. A plugin must ignore kinds that it does not know.
 */
export const EventKind = {
  /**
   * Not set; never sent.
   */
  EVENT_KIND_UNSPECIFIED: 'EVENT_KIND_UNSPECIFIED',
  /**
   * A task is in a queue, or waits for its needs.
   */
  EVENT_KIND_TASK_DISPATCHED: 'EVENT_KIND_TASK_DISPATCHED',
  /**
   * A node claimed a task.
   */
  EVENT_KIND_TASK_CLAIMED: 'EVENT_KIND_TASK_CLAIMED',
  /**
   * The task's process runs.
   */
  EVENT_KIND_TASK_STARTED: 'EVENT_KIND_TASK_STARTED',
  /**
   * The task succeeded and its result is committed.
   */
  EVENT_KIND_TASK_COMPLETED: 'EVENT_KIND_TASK_COMPLETED',
  /**
   * The task failed, timed out or is poison, and its result is committed.
   */
  EVENT_KIND_TASK_FAILED: 'EVENT_KIND_TASK_FAILED',
  /**
   * An attempt failed and another follows.
   */
  EVENT_KIND_TASK_RETRIED: 'EVENT_KIND_TASK_RETRIED',
  /**
   * The task went to another node.
   */
  EVENT_KIND_TASK_REASSIGNED: 'EVENT_KIND_TASK_REASSIGNED',
  /**
   * The task was cancelled and has its result.
   */
  EVENT_KIND_TASK_CANCELLED: 'EVENT_KIND_TASK_CANCELLED',
  /**
   * A result came after another node had taken the task over, and was dropped.
   */
  EVENT_KIND_TASK_SUPERSEDED: 'EVENT_KIND_TASK_SUPERSEDED',
  /**
   * A spec was accepted.
   */
  EVENT_KIND_SPEC_STARTED: 'EVENT_KIND_SPEC_STARTED',
  /**
   * All tasks of a spec ended, none failed.
   */
  EVENT_KIND_SPEC_COMPLETED: 'EVENT_KIND_SPEC_COMPLETED',
  /**
   * All tasks of a spec ended, at least one failed.
   */
  EVENT_KIND_SPEC_FAILED: 'EVENT_KIND_SPEC_FAILED',
  /**
   * A node registered.
   */
  EVENT_KIND_NODE_JOINED: 'EVENT_KIND_NODE_JOINED',
  /**
   * A draining node has no work left.
   */
  EVENT_KIND_NODE_DRAINED: 'EVENT_KIND_NODE_DRAINED',
  /**
   * The session of a node ended without its doing.
   */
  EVENT_KIND_NODE_CRASHED: 'EVENT_KIND_NODE_CRASHED',
  /**
   * A node works, but not wholly.
   */
  EVENT_KIND_NODE_DEGRADED: 'EVENT_KIND_NODE_DEGRADED',
  /**
   * A degraded node is well again.
   */
  EVENT_KIND_NODE_RECOVERED: 'EVENT_KIND_NODE_RECOVERED',
  /**
   * A provisioner was asked for a node.
   */
  EVENT_KIND_PROVISION_REQUESTED: 'EVENT_KIND_PROVISION_REQUESTED',
  /**
   * The node asked for has joined.
   */
  EVENT_KIND_PROVISION_FULFILLED: 'EVENT_KIND_PROVISION_FULFILLED',
  /**
   * No node came.
   */
  EVENT_KIND_PROVISION_FAILED: 'EVENT_KIND_PROVISION_FAILED',
  /**
   * A join token was seen in the output of a plugin.
   */
  EVENT_KIND_PROVISION_TOKEN_LEAK_SUSPECTED: 'EVENT_KIND_PROVISION_TOKEN_LEAK_SUSPECTED',
  /**
   * A plugin ended unasked and is started again.
   */
  EVENT_KIND_PLUGIN_CRASHED: 'EVENT_KIND_PLUGIN_CRASHED',
  /**
   * A plugin crashed too often and is left stopped.
   */
  EVENT_KIND_PLUGIN_UNSTABLE: 'EVENT_KIND_PLUGIN_UNSTABLE',
  /**
   * A new certificate authority is in force.
   */
  EVENT_KIND_CLUSTER_CA_ROTATED: 'EVENT_KIND_CLUSTER_CA_ROTATED',
  /**
   * Claims stopped everywhere.
   */
  EVENT_KIND_CLUSTER_PAUSED: 'EVENT_KIND_CLUSTER_PAUSED',
  /**
   * Claims go on.
   */
  EVENT_KIND_CLUSTER_RESUMED: 'EVENT_KIND_CLUSTER_RESUMED',
  /**
   * The emitting node cannot reach the store.
   */
  EVENT_KIND_CLUSTER_PARTITION_DETECTED: 'EVENT_KIND_CLUSTER_PARTITION_DETECTED',
  /**
   * The emitting node reaches the store again.
   */
  EVENT_KIND_CLUSTER_PARTITION_HEALED: 'EVENT_KIND_CLUSTER_PARTITION_HEALED',
  /**
   * A project was exported.
   */
  EVENT_KIND_CHECKPOINT_EXPORTED: 'EVENT_KIND_CHECKPOINT_EXPORTED',
  /**
   * A project was imported.
   */
  EVENT_KIND_CHECKPOINT_IMPORTED: 'EVENT_KIND_CHECKPOINT_IMPORTED',
  /**
   * A spec was not accepted.
   */
  EVENT_KIND_DISPATCH_REFUSED: 'EVENT_KIND_DISPATCH_REFUSED',
  /**
   * A claim or commit was refused: somebody else has the task.
   */
  EVENT_KIND_CLAIM_FENCE_REJECTED: 'EVENT_KIND_CLAIM_FENCE_REJECTED',
} as const;

/**
 * EventKind is the catalogue of events: every kind there is. A plugin must ignore kinds that it does not know.
 */
export type EventKind =
  /**
   * Not set; never sent.
   */
  | 'EVENT_KIND_UNSPECIFIED'
  | 0
  /**
   * A task is in a queue, or waits for its needs.
   */
  | 'EVENT_KIND_TASK_DISPATCHED'
  | 1
  /**
   * A node claimed a task.
   */
  | 'EVENT_KIND_TASK_CLAIMED'
  | 2
  /**
   * The task's process runs.
   */
  | 'EVENT_KIND_TASK_STARTED'
  | 3
  /**
   * The task succeeded and its result is committed.
   */
  | 'EVENT_KIND_TASK_COMPLETED'
  | 4
  /**
   * The task failed, timed out or is poison, and its result is committed.
   */
  | 'EVENT_KIND_TASK_FAILED'
  | 5
  /**
   * An attempt failed and another follows.
   */
  | 'EVENT_KIND_TASK_RETRIED'
  | 6
  /**
   * The task went to another node.
   */
  | 'EVENT_KIND_TASK_REASSIGNED'
  | 7
  /**
   * The task was cancelled and has its result.
   */
  | 'EVENT_KIND_TASK_CANCELLED'
  | 8
  /**
   * A result came after another node had taken the task over, and was dropped.
   */
  | 'EVENT_KIND_TASK_SUPERSEDED'
  | 9
  /**
   * A spec was accepted.
   */
  | 'EVENT_KIND_SPEC_STARTED'
  | 10
  /**
   * All tasks of a spec ended, none failed.
   */
  | 'EVENT_KIND_SPEC_COMPLETED'
  | 11
  /**
   * All tasks of a spec ended, at least one failed.
   */
  | 'EVENT_KIND_SPEC_FAILED'
  | 12
  /**
   * A node registered.
   */
  | 'EVENT_KIND_NODE_JOINED'
  | 13
  /**
   * A draining node has no work left.
   */
  | 'EVENT_KIND_NODE_DRAINED'
  | 14
  /**
   * The session of a node ended without its doing.
   */
  | 'EVENT_KIND_NODE_CRASHED'
  | 15
  /**
   * A node works, but not wholly.
   */
  | 'EVENT_KIND_NODE_DEGRADED'
  | 16
  /**
   * A degraded node is well again.
   */
  | 'EVENT_KIND_NODE_RECOVERED'
  | 17
  /**
   * A provisioner was asked for a node.
   */
  | 'EVENT_KIND_PROVISION_REQUESTED'
  | 18
  /**
   * The node asked for has joined.
   */
  | 'EVENT_KIND_PROVISION_FULFILLED'
  | 19
  /**
   * No node came.
   */
  | 'EVENT_KIND_PROVISION_FAILED'
  | 20
  /**
   * A join token was seen in the output of a plugin.
   */
  | 'EVENT_KIND_PROVISION_TOKEN_LEAK_SUSPECTED'
  | 21
  /**
   * A plugin ended unasked and is started again.
   */
  | 'EVENT_KIND_PLUGIN_CRASHED'
  | 22
  /**
   * A plugin crashed too often and is left stopped.
   */
  | 'EVENT_KIND_PLUGIN_UNSTABLE'
  | 23
  /**
   * A new certificate authority is in force.
   */
  | 'EVENT_KIND_CLUSTER_CA_ROTATED'
  | 24
  /**
   * Claims stopped everywhere.
   */
  | 'EVENT_KIND_CLUSTER_PAUSED'
  | 25
  /**
   * Claims go on.
   */
  | 'EVENT_KIND_CLUSTER_RESUMED'
  | 26
  /**
   * The emitting node cannot reach the store.
   */
  | 'EVENT_KIND_CLUSTER_PARTITION_DETECTED'
  | 27
  /**
   * The emitting node reaches the store again.
   */
  | 'EVENT_KIND_CLUSTER_PARTITION_HEALED'
  | 28
  /**
   * A project was exported.
   */
  | 'EVENT_KIND_CHECKPOINT_EXPORTED'
  | 29
  /**
   * A project was imported.
   */
  | 'EVENT_KIND_CHECKPOINT_IMPORTED'
  | 30
  /**
   * A spec was not accepted.
   */
  | 'EVENT_KIND_DISPATCH_REFUSED'
  | 31
  /**
   * A claim or commit was refused: somebody else has the task.
   */
  | 'EVENT_KIND_CLAIM_FENCE_REJECTED'
  | 32

/**
 * EventKind is the catalogue of events: every kind there is. A plugin must ignore kinds that it does not know.
 */
export type EventKind__Output = typeof EventKind[keyof typeof EventKind]

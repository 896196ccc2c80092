/** Builders of what the API answers, with everything that must be there. */
import type { ClusterView, NodeView, SpecView, TaskView } from '@boi/core';

export const SPEC_ID = 'spc_01kapz0vge5n3m8q2r7t4w0000';
export const TASK_ID = 'tsk_01kapz0vge5n3m8q2r7t4w0001';
export const NODE_ID = 'nod_01kapz0vge5n3m8q2r7t4wabcd';
const PROJECT = { id: 'prj_01kapz0vge5n3m8q2r7t4wdefg', name: 'default' };
/** 2026-11-21T09:00:00Z. */
export const T0 = Date.UTC(2026, 10, 21, 9);

export function specView(more: Partial<SpecView> = {}): SpecView {
  return {
    id: SPEC_ID,
    name: 'nightly',
    project: PROJECT,
    state: 'active',
    tasks: 2,
    dispatched: 2,
    counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
    policy: { failure: 'fail-fast' },
    createdAt: T0,
    ...more,
  };
}

export function taskView(more: Partial<TaskView> = {}): TaskView {
  return { id: TASK_ID, ref: 'build', spec: SPEC_ID, index: 1, state: 'running', attempt: 1, startedAt: T0, ...more };
}

export function nodeView(more: Partial<NodeView> = {}): NodeView {
  return {
    id: NODE_ID,
    name: 'build-1',
    state: 'ready',
    slots: 4,
    busy: 1,
    queued: 0,
    running: 1,
    startedAt: T0,
    version: '0.1.0',
    ...more,
  };
}

export function clusterView(more: Partial<ClusterView> = {}): ClusterView {
  return {
    id: 'cluster-1',
    schema: 1,
    paused: false,
    defaultProject: PROJECT,
    nodes: { live: 1, ready: 1, dead: 0 },
    slots: { total: 4, busy: 1 },
    specs: { active: 1, total: 2 },
    queued: 0,
    unassigned: 0,
    store: { revision: '42', dbBytes: 4096, dbBytesInUse: 2048, version: 'memory', alarms: [] },
    servedBy: NODE_ID,
    ...more,
  };
}

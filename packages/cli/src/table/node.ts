/** Commands on nodes and on the cluster as a whole. */
import type { Command, Positional } from '../command.ts';
import { WATCH } from './spec.ts';

const NODE: Positional = { name: 'node', summary: 'Node, by id or name.', completes: 'node' };

export const NODE_COMMANDS: readonly Command[] = [
  {
    path: ['node', 'list'],
    summary: 'Live nodes, and dead ones that left work or settings.',
    flags: [{ name: 'name', kind: 'text', value: 'NAME', summary: 'Only those with exactly this name.' }, WATCH],
    examples: [
      { line: 'boi-node node list -o wide', does: 'with addresses, versions and labels' },
      { line: 'boi-node node list --watch', does: 'keep looking' },
    ],
    load: async () => (await import('../commands/node-list.ts')).listNodes,
  },
  {
    path: ['node', 'show'],
    summary: 'One node: state, load, capabilities.',
    positionals: [NODE],
    flags: [WATCH],
    examples: [
      { line: 'boi-node node show build-1', does: 'by name' },
      { line: 'boi-node node show build-1 -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/node-show.ts')).showNode,
  },
  {
    path: ['node', 'drain'],
    summary: 'Stop new claims, hand queued work over, wait for running tasks, requeue them at the deadline.',
    description: [
      'Shows progress until the node is drained. Ctrl-C stops looking (exit 130); the drain goes on. `node uncordon` undoes it at any time. Requeued tasks count as drained, not as failed.',
    ],
    positionals: [NODE],
    flags: [
      {
        name: 'deadline',
        kind: 'duration',
        min: 0,
        max: 604_800_000,
        default: '1h',
        summary: 'When running tasks are requeued, from now.',
      },
      { name: 'detach', kind: 'switch', summary: 'Start the drain and return.' },
    ],
    examples: [
      { line: 'boi-node node drain build-1 --deadline 10m', does: 'drain and watch' },
      { line: 'boi-node node drain build-1 --deadline 0s --detach', does: 'requeue at once, do not wait' },
    ],
    load: async () => (await import('../commands/node-drain.ts')).drainNode,
  },
  {
    path: ['node', 'cordon'],
    summary: 'Place nothing new on nodes; what they have goes on.',
    positionals: [{ ...NODE, many: true }],
    examples: [
      { line: 'boi-node node cordon build-1', does: 'one node' },
      { line: 'boi-node node cordon build-1 build-2', does: 'two' },
    ],
    load: async () => (await import('../commands/node-change.ts')).cordonNodes,
  },
  {
    path: ['node', 'uncordon'],
    summary: 'Undo cordon, drain and cooldown.',
    positionals: [{ ...NODE, many: true }],
    examples: [
      { line: 'boi-node node uncordon build-1', does: 'take work again' },
      { line: 'boi-node node uncordon build-1 build-2', does: 'two' },
    ],
    load: async () => (await import('../commands/node-change.ts')).uncordonNodes,
  },
  {
    path: ['node', 'remove'],
    summary: "Adopt a dead node's work now and forget its settings. Refused while it lives.",
    positionals: [{ ...NODE, many: true }],
    examples: [
      { line: 'boi-node node remove build-1', does: 'a host that is gone for good' },
      { line: 'boi-node node list', does: 'look first: is it dead?' },
    ],
    load: async () => (await import('../commands/node-change.ts')).removeNodes,
  },
  {
    path: ['cluster', 'status'],
    summary: 'The cluster at a glance.',
    flags: [WATCH],
    examples: [
      { line: 'boi-node cluster status', does: 'nodes, slots, work and store' },
      { line: 'boi-node cluster status --watch', does: 'keep looking' },
    ],
    load: async () => (await import('../commands/cluster-status.ts')).showCluster,
  },
  {
    path: ['cluster', 'pause'],
    summary: 'Stop claims everywhere; dispatch still queues, running tasks go on.',
    examples: [
      { line: 'boi-node cluster pause', does: 'pause' },
      { line: 'boi-node cluster pause -o json', does: 'and print the state of the cluster' },
    ],
    load: async () => (await import('../commands/cluster-change.ts')).pauseCluster,
  },
  {
    path: ['cluster', 'resume'],
    summary: 'Undo pause.',
    examples: [
      { line: 'boi-node cluster resume', does: 'resume' },
      { line: 'boi-node cluster resume --context staging', does: 'of another cluster' },
    ],
    load: async () => (await import('../commands/cluster-change.ts')).resumeCluster,
  },
  {
    path: ['cluster', 'fsck'],
    summary: 'Check that every task has exactly one record, at one revision; exit 1 if an error is found.',
    examples: [
      { line: 'boi-node cluster fsck', does: 'check' },
      { line: 'boi-node cluster fsck -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/cluster-fsck.ts')).checkCluster,
  },
];

/** Commands on nodes and on the cluster as a whole. */
import type { Command, Flag, Positional } from '../command.ts';
import { WATCH } from './spec.ts';

const STALE_OK: Flag = {
  name: 'stale-ok',
  kind: 'switch',
  summary: 'While the store is away, show what the node remembers, with its age.',
};

const NODE: Positional = { name: 'node', summary: 'Node, by id or name.', completes: 'node' };

export const NODE_COMMANDS: readonly Command[] = [
  {
    path: ['node', 'list'],
    summary: 'Live nodes, and dead ones that left work or settings.',
    flags: [
      { name: 'name', kind: 'text', value: 'NAME', summary: 'Only those with exactly this name.' },
      STALE_OK,
      WATCH,
    ],
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
    flags: [STALE_OK, WATCH],
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
    summary: "Adopt a dead node's work now and forget its settings; its certificate is refused from then on.",
    description: [
      'Refused while the node lives, unless by --force: for one that is not trusted any more. Its membership and its session end in one step, its tasks run elsewhere, and it does not come back without a token. What it knows of etcd it still knows: take its access to etcd from it as well.',
    ],
    positionals: [{ ...NODE, many: true }],
    flags: [{ name: 'force', kind: 'switch', summary: 'Also a live one, which is expelled. Needs identities.' }],
    examples: [
      { line: 'boi-node node remove build-1', does: 'a host that is gone for good' },
      { line: 'boi-node node remove build-1 --force', does: 'a host that was stolen while its node runs' },
    ],
    load: async () => (await import('../commands/node-change.ts')).removeNodes,
  },
  {
    path: ['cluster', 'status'],
    summary: 'The cluster at a glance.',
    flags: [
      STALE_OK,
      { name: 'local', kind: 'switch', summary: 'Only what the node that answers holds itself, without the store.' },
      WATCH,
    ],
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
    description: [
      '`--repair` says of each finding whether it can be mended safely: names, idempotency keys, locks, coordinations, bodies and archives of specs that are gone. With `--yes` it mends them, each only if nothing changed since it was found. What concerns tasks is never mended, only reported.',
    ],
    flags: [
      { name: 'repair', kind: 'switch', summary: 'Say what could be mended safely.' },
      { name: 'yes', kind: 'switch', summary: 'With --repair: mend it.' },
    ],
    examples: [
      { line: 'boi-node cluster fsck', does: 'check' },
      { line: 'boi-node cluster fsck --repair', does: 'what could be mended' },
      { line: 'boi-node cluster fsck -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/cluster-fsck.ts')).checkCluster,
  },
  {
    path: ['cluster', 'local-fallback'],
    summary: 'Take the node that answers out of work, or back, also while the store is away.',
    description: [
      'On: the node claims nothing and refuses new work until it is switched off, also after a restart; what runs goes on, and what it holds is written to `local-fallback.jsonl` in its data directory. Give its address with `--endpoints`: it is the node that answers that is meant.',
    ],
    flags: [
      { name: 'on', kind: 'switch', summary: 'Take it out.' },
      { name: 'off', kind: 'switch', summary: 'Take it back.' },
    ],
    examples: [
      { line: 'boi-node cluster local-fallback --on --endpoints http://127.0.0.1:7117', does: 'this host' },
      { line: 'boi-node cluster local-fallback --off --endpoints http://127.0.0.1:7117', does: 'and back' },
    ],
    load: async () => (await import('../commands/local-fallback.ts')).switchFallback,
  },
];

/** Commands on tasks, and `run`. */
import type { Command, Positional } from '../command.ts';
import { TIMESTAMPS, WATCH } from './spec.ts';

const TASK: Positional = { name: 'task', summary: 'Task, by id or as SPEC/REF.', completes: 'task' };

export const TASK_COMMANDS: readonly Command[] = [
  {
    path: ['run'],
    summary: 'Run one command on the cluster: streams its output and returns its exit code.',
    description: [
      "The command's standard output and error come out as such. Exit code: the command's own; 128 and the signal's number if a signal ended it; 124 if it timed out; 1 for any other failure.",
      'Ctrl-C cancels the command and waits for its end; a second Ctrl-C detaches. Both exit 130.',
    ],
    flags: [
      {
        name: 'requires',
        kind: 'pairs',
        summary: 'Condition on the node: a value, or a comparison such as `cpus=">=4"`.',
      },
      {
        name: 'timeout',
        kind: 'duration',
        min: 1,
        max: 2_592_000_000,
        summary: 'End it when it runs longer. Default: never.',
      },
      { name: 'env', short: 'e', kind: 'pairs', summary: 'Environment variable.' },
      { name: 'name', kind: 'text', value: 'NAME', summary: 'Name of the spec. Default: the name of the program.' },
      {
        name: 'retries',
        kind: 'integer',
        min: 0,
        max: 100,
        default: '0',
        summary: 'Further attempts after a failure.',
      },
      {
        name: 'workdir',
        kind: 'text',
        value: 'DIRECTORY',
        summary: 'Absolute directory on the node. Default: a fresh one, removed afterwards.',
      },
    ],
    takesCommand: true,
    examples: [
      { line: 'boi-node run -- uname -a', does: 'on any node' },
      {
        line: "boi-node run --requires os=linux --requires 'cpus=>=8' --timeout 10m -- make -j8",
        does: 'with conditions',
      },
      { line: "boi-node run -e WHO=world -- sh -c 'echo hello $WHO'", does: 'with a shell' },
    ],
    load: async () => (await import('../commands/run.ts')).runCommand,
  },
  {
    path: ['task', 'list'],
    summary: 'Tasks of a spec.',
    positionals: [{ name: 'spec', summary: 'Spec, by id or name.', completes: 'spec' }],
    flags: [
      {
        name: 'state',
        kind: 'choice',
        choices: [
          'blocked',
          'queued',
          'waiting',
          'running',
          'succeeded',
          'failed',
          'timed-out',
          'cancelled',
          'skipped',
          'poison',
        ],
        summary: 'Only those in this state.',
      },
      { name: 'limit', kind: 'integer', min: 1, max: 1_048_575, default: '100', summary: 'At most so many.' },
      WATCH,
    ],
    examples: [
      { line: 'boi-node task list nightly', does: 'all tasks' },
      { line: 'boi-node task list nightly --state failed -o wide', does: 'what failed, with messages' },
    ],
    load: async () => (await import('../commands/task-list.ts')).listTasks,
  },
  {
    path: ['task', 'show'],
    summary: 'One task: state, why it is not running, attempts and moves, outputs, last output.',
    positionals: [TASK],
    flags: [WATCH],
    examples: [
      { line: 'boi-node task show nightly/test', does: 'by spec and ref' },
      { line: 'boi-node task show "$task" -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/task-show.ts')).showTask,
  },
  {
    path: ['task', 'tail'],
    summary: 'Output of a task, from whichever node has it.',
    description: [
      'Standard output and error of the task come out as such. With --follow it goes on over retries and moves to other nodes, and over cut connections without a gap or a repeat.',
      'On a terminal, control sequences other than colours are taken out.',
    ],
    positionals: [TASK],
    flags: [
      { name: 'follow', short: 'f', kind: 'switch', summary: 'Go on until the task has ended.' },
      { name: 'since-bytes', kind: 'bytes', min: 0, summary: 'Begin at this byte of the log.' },
      {
        name: 'tail',
        short: 'n',
        kind: 'integer',
        min: 0,
        max: 1_000_000,
        summary: 'Only the last so many lines of what there is.',
      },
      TIMESTAMPS,
      { name: 'attempt', kind: 'integer', min: 1, max: 1_000_000, summary: 'Of this attempt. Default: the last.' },
    ],
    examples: [
      { line: 'boi-node task tail nightly/test -f', does: 'follow' },
      { line: 'boi-node task tail nightly/test --tail 20 --timestamps', does: 'the last lines with their times' },
      { line: 'boi-node task tail nightly/test --attempt 1', does: 'what the first attempt wrote' },
    ],
    load: async () => (await import('../commands/task-tail.ts')).tailTask,
  },
  {
    path: ['task', 'cancel'],
    summary: 'Cancel tasks. A second cancel skips the grace.',
    positionals: [{ ...TASK, many: true }],
    examples: [
      { line: 'boi-node task cancel nightly/test', does: 'one task' },
      { line: "boi-node task cancel 'nightly/shard[1]' 'nightly/shard[2]'", does: 'two instances' },
    ],
    load: async () => (await import('../commands/task-change.ts')).cancelTasks,
  },
  {
    path: ['task', 'retry'],
    summary: 'Run ended tasks again while their spec is active; what was skipped because of them waits again.',
    positionals: [{ ...TASK, many: true }],
    examples: [
      { line: 'boi-node task retry nightly/test', does: 'one task' },
      {
        line: 'boi-node task list nightly --state failed -o name | xargs boi-node task retry',
        does: 'all that failed',
      },
    ],
    load: async () => (await import('../commands/task-change.ts')).retryTasks,
  },
  {
    path: ['task', 'kill'],
    summary: 'Take the claim away from a node that does not answer; the task is placed anew.',
    description: [
      'The old copy may still be running where it was: it can no longer commit a result, but what it does to the outside goes on until its node ends it.',
    ],
    positionals: [{ ...TASK, many: true }],
    flags: [
      { name: 'force', kind: 'switch', summary: 'Required: says that a second copy at the same time is acceptable.' },
    ],
    examples: [
      { line: 'boi-node task kill nightly/test --force', does: 'place it anew' },
      { line: 'boi-node task show nightly/test', does: 'look first: which node holds it, since when' },
    ],
    load: async () => (await import('../commands/task-change.ts')).killTasks,
  },
];

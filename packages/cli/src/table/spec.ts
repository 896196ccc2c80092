/** Commands on specs. */
import type { Command, Flag, Positional } from '../command.ts';

const SPEC: Positional = { name: 'spec', summary: 'Spec, by id or name.', completes: 'spec' };
const FILE: Positional = {
  name: 'file',
  summary: 'Spec file: YAML, TOML or JSON, by extension, else by content. `-` reads standard input.',
  completes: 'file',
};
export const SET: Flag = {
  name: 'set',
  kind: 'pairs',
  summary: 'Value for a variable the file declares under `vars`.',
};
export const WATCH: Flag = {
  name: 'watch',
  short: 'w',
  kind: 'switch',
  summary: 'Show it again whenever it changes, until Ctrl-C.',
};
export const TIMESTAMPS: Flag = {
  name: 'timestamps',
  kind: 'switch',
  summary: 'Begin each line with the time it was written, UTC.',
};
const WAIT: Flag = {
  name: 'wait',
  kind: 'switch',
  summary: 'Wait for its end, with progress on standard error, and exit 0 or 1 with the work.',
};
const TAIL: Flag = {
  name: 'tail',
  kind: 'switch',
  summary: 'As --wait, with the output of all tasks, each line after the ref of its task.',
};
const KEY: Flag = {
  name: 'idempotency-key',
  kind: 'text',
  value: 'KEY',
  summary:
    'Dispatching again under the same key answers the same spec. Default: a random key, which makes retries safe.',
};
const DETACHES =
  'Ctrl-C only detaches: the work goes on, the command says how to cancel it, and exits 130. If the node that answers dies, it goes on with another address of the context.';

export const SPEC_COMMANDS: readonly Command[] = [
  {
    path: ['spec', 'dispatch'],
    summary: 'Hand a spec to the cluster; prints its id.',
    description: [
      'The file is checked here first, and every error is printed as file:line:column with exit code 2 before anything is sent. The id alone goes to standard output, everything else to standard error.',
      DETACHES,
    ],
    positionals: [FILE],
    flags: [
      SET,
      WAIT,
      TAIL,
      TIMESTAMPS,
      KEY,
      {
        name: 'dry-run',
        kind: 'switch',
        summary: 'Show each task, what it needs and where it would go and why; dispatch nothing.',
      },
    ],
    examples: [
      { line: 'boi-node spec dispatch build.yaml --wait', does: 'dispatch, show progress, exit with the work' },
      {
        line: 'boi-node spec dispatch build.yaml --set version=1.4.0 --tail',
        does: 'set a variable and follow all output',
      },
      { line: 'id=$(boi-node spec dispatch - < build.yaml)', does: 'from standard input, keep the id' },
      { line: 'boi-node spec dispatch build.yaml --dry-run', does: 'only show where tasks would go' },
    ],
    load: async () => (await import('../commands/spec-dispatch.ts')).dispatchSpec,
  },
  {
    path: ['spec', 'validate'],
    summary: 'Check spec files without a cluster.',
    positionals: [{ ...FILE, many: true }],
    flags: [SET],
    examples: [
      { line: 'boi-node spec validate build.yaml', does: 'print all errors with line and column' },
      { line: 'boi-node spec validate specs/*.yaml -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/spec-validate.ts')).validateSpecs,
  },
  {
    path: ['spec', 'list'],
    summary: 'Specs, newest first.',
    flags: [
      {
        name: 'state',
        kind: 'choice',
        choices: ['writing', 'dispatching', 'active', 'cancelling', 'succeeded', 'failed', 'cancelled'],
        summary: 'Only those in this state.',
      },
      { name: 'name', kind: 'text', value: 'NAME', summary: 'Only those with exactly this name.' },
      { name: 'limit', kind: 'integer', min: 1, max: 100_000, default: '50', summary: 'At most so many.' },
      WATCH,
    ],
    examples: [
      { line: 'boi-node spec list --state active', does: 'what is going on' },
      { line: 'boi-node spec list --watch', does: 'keep looking' },
      { line: 'boi-node spec list --state failed -o name', does: 'ids alone' },
    ],
    load: async () => (await import('../commands/spec-list.ts')).listSpecs,
  },
  {
    path: ['spec', 'show'],
    summary: 'One spec: state, counts, and the tasks that failed or wait.',
    positionals: [SPEC],
    flags: [WATCH],
    examples: [
      { line: 'boi-node spec show nightly', does: 'by name' },
      { line: 'boi-node spec show spc_01kapz0vge5n3m8q2r7t4w0000 -o yaml', does: 'all fields' },
    ],
    load: async () => (await import('../commands/spec-show.ts')).showSpec,
  },
  {
    path: ['spec', 'wait'],
    summary: 'Wait until specs have ended; exit 0 if all succeeded, 1 if not.',
    description: [DETACHES],
    positionals: [{ ...SPEC, many: true }],
    flags: [
      {
        name: 'timeout',
        kind: 'duration',
        min: 1,
        max: 31_536_000_000,
        summary: 'Give up waiting after this long, with exit code 5. Default: never.',
      },
    ],
    examples: [
      { line: 'boi-node spec wait nightly', does: 'one spec' },
      { line: 'boi-node spec wait "$first" "$second" --timeout 10m', does: 'two, at most ten minutes' },
    ],
    load: async () => (await import('../commands/spec-wait.ts')).waitSpecs,
  },
  {
    path: ['spec', 'tail'],
    summary: 'Output of all tasks of a spec, each line after the ref of its task.',
    description: [DETACHES],
    positionals: [SPEC],
    flags: [
      {
        name: 'follow',
        short: 'f',
        kind: 'switch',
        summary: 'Go on until the spec has ended, and exit 0 or 1 with it.',
      },
      TIMESTAMPS,
    ],
    examples: [
      { line: 'boi-node spec tail nightly -f', does: 'follow until it has ended' },
      { line: 'boi-node spec tail nightly > nightly.log', does: 'what there is now' },
    ],
    load: async () => (await import('../commands/spec-tail.ts')).tailSpec,
  },
  {
    path: ['spec', 'cancel'],
    summary: 'Cancel what has not ended.',
    description: [
      'Tasks are asked to end, and killed after their grace. A second cancel also stops cleanup tasks (`when: always` and `failure`) and skips the grace.',
    ],
    positionals: [{ ...SPEC, many: true }],
    examples: [
      { line: 'boi-node spec cancel nightly', does: 'cancel by name' },
      { line: 'boi-node spec list --state active -o name | xargs boi-node spec cancel', does: 'cancel all that runs' },
    ],
    load: async () => (await import('../commands/spec-cancel.ts')).cancelSpecs,
  },
  {
    path: ['spec', 'retry'],
    summary: 'Dispatch a finished spec again as a new one; prints its id.',
    positionals: [SPEC],
    flags: [WAIT, TAIL, TIMESTAMPS, KEY],
    examples: [
      { line: 'boi-node spec retry nightly', does: 'again' },
      { line: 'boi-node spec retry nightly --tail', does: 'again, and follow it' },
    ],
    load: async () => (await import('../commands/spec-retry.ts')).retrySpec,
  },
];

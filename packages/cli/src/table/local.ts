/** Commands that concern this machine: contexts, configuration, logs, completion. */
import type { Command, Positional } from '../command.ts';

const CONTEXT: Positional = { name: 'name', summary: 'Context.', completes: 'context' };

export const LOCAL_COMMANDS: readonly Command[] = [
  {
    path: ['context', 'add'],
    summary: 'Name a cluster by the addresses of its nodes and your credentials there, and use it.',
    description: [
      'Naming it again replaces it. Several addresses are several nodes of one cluster: the next is tried when one cannot be reached. Credentials are kept in a file of their own, mode 0600, beside the configuration; only nodes of the given CA are shown them.',
    ],
    positionals: [
      { name: 'name', summary: 'What to call it.' },
      {
        name: 'url',
        summary: 'Addresses of the API, https://HOST:PORT; http:// on loopback only. Default: those in the bundle.',
        many: true,
        optional: true,
      },
    ],
    flags: [
      {
        name: 'bundle',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: 'Credentials and addresses from an admin (`boi-node user create`). `-` reads standard input.',
      },
      { name: 'ca', kind: 'text', value: 'FILE', completes: 'file', summary: "PEM of the cluster's CA, for --token." },
      {
        name: 'token',
        kind: 'text',
        value: 'SECRET',
        summary: 'Secret of a user, instead of a certificate. `-` reads it from standard input.',
      },
      {
        name: 'identity',
        kind: 'text',
        value: 'DIRECTORY',
        completes: 'directory',
        summary: '`identity` in the data directory of a node on this machine: be that node, an admin if it is one.',
      },
      { name: 'keep-current', kind: 'switch', summary: 'Do not make it the current one.' },
    ],
    examples: [
      { line: 'boi-node context add lab --bundle alice.json', does: 'what an admin gave you' },
      { line: 'boi-node context add ci https://10.0.0.5:7440 --ca ca.pem --token - < secret', does: 'with a secret' },
      {
        line: 'boi-node context add local http://127.0.0.1:7440 http://127.0.0.1:7441 --project web',
        does: 'two nodes without identities, and a default project',
      },
    ],
    load: async () => (await import('../commands/context.ts')).addContext,
  },
  {
    path: ['context', 'refresh'],
    summary:
      'Take over which CAs the cluster trusts now, and renew your certificate if another one signs, or it is due.',
    description: [
      'While the CA is replaced: once between `--plan` and `--execute`, so that you go on trusting the nodes, and once after `--execute`, for a certificate of the new one. Otherwise certificates renew themselves: the first command after two thirds of their life does it.',
    ],
    examples: [
      { line: 'boi-node context refresh', does: 'the current one' },
      { line: 'boi-node context refresh --context lab', does: 'another one' },
    ],
    load: async () => (await import('../commands/context.ts')).refreshContext,
  },
  {
    path: ['context', 'use'],
    summary: 'Choose the cluster that commands talk to.',
    positionals: [CONTEXT],
    examples: [
      { line: 'boi-node context use lab', does: 'from now on' },
      { line: 'boi-node --context lab spec list', does: 'for one command only' },
    ],
    load: async () => (await import('../commands/context.ts')).useContext,
  },
  {
    path: ['context', 'list'],
    summary: 'Known clusters; the current one is marked.',
    examples: [
      { line: 'boi-node context list', does: 'all' },
      { line: 'boi-node context list -o name', does: 'names alone' },
    ],
    load: async () => (await import('../commands/context.ts')).listContexts,
  },
  {
    path: ['context', 'show'],
    summary: 'One context; the current one by default.',
    positionals: [{ ...CONTEXT, optional: true }],
    examples: [
      { line: 'boi-node context show', does: 'the current one' },
      { line: 'boi-node context show lab -o json', does: 'another one' },
    ],
    load: async () => (await import('../commands/context.ts')).showContext,
  },
  {
    path: ['context', 'remove'],
    summary: 'Forget contexts. The clusters are not touched.',
    positionals: [{ ...CONTEXT, many: true }],
    examples: [
      { line: 'boi-node context remove lab', does: 'forget it' },
      { line: 'boi-node context remove lab staging', does: 'forget two' },
    ],
    load: async () => (await import('../commands/context.ts')).removeContexts,
  },
  {
    path: ['config', 'show'],
    summary: 'Every setting, its value, and where the value came from.',
    flags: [
      {
        name: 'daemon',
        kind: 'switch',
        summary: 'The settings `join` would start with, instead of those of the command.',
      },
      {
        name: 'config',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: "With --daemon: the daemon's configuration file, YAML or JSON. Env BOI_CONFIG.",
      },
    ],
    examples: [
      { line: 'boi-node config show', does: 'of the command' },
      { line: 'boi-node config show --daemon --config /etc/boi/node.yaml', does: 'of the daemon' },
    ],
    load: async () => (await import('../commands/config-show.ts')).showConfig,
  },
  {
    path: ['logs', 'sweep'],
    summary: 'Remove logs past their keeping time from a data directory, as the daemon does by itself.',
    description: [
      'With --dry-run it only looks, also while the daemon runs; the daemon never removes the log of a running task. Without it no daemon may be running on that directory.',
    ],
    flags: [
      {
        name: 'data-dir',
        kind: 'text',
        value: 'DIRECTORY',
        completes: 'directory',
        summary: "The daemon's data directory.",
        default: './boi-data',
      },
      {
        name: 'config',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: "The daemon's configuration file, for its directory and limits (`log-keep`, `log-keep-bytes`).",
      },
      { name: 'dry-run', kind: 'switch', summary: 'Only say what would be removed.' },
    ],
    examples: [
      { line: 'boi-node logs sweep --dry-run', does: 'what would go' },
      { line: 'boi-node logs sweep --data-dir /var/lib/boi', does: 'remove it' },
    ],
    load: async () => (await import('../commands/logs-sweep.ts')).sweepLogs,
  },
  {
    path: ['doctor'],
    summary:
      'Check configuration, addresses, store, clocks, disk, versions and waiting work; each finding with the next command.',
    description: [
      'Exit code: 0 if nothing is wrong, 3 if the cluster cannot be reached, 1 for any other error found. Warnings do not change it.',
      '--bundle makes an archive for a bug report: versions, configuration, findings, cluster, nodes, metrics and the end of a log. Secrets that are known here or look like one are taken out.',
    ],
    flags: [
      {
        name: 'bundle',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: 'Also write this archive (tar.gz), mode 0600. It must not be there yet.',
      },
      {
        name: 'log',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: 'Log of a daemon; its last 2000 lines go into the archive.',
      },
    ],
    examples: [
      { line: 'boi-node doctor', does: 'the chosen cluster' },
      { line: 'boi-node doctor --context lab -o json', does: 'for a program' },
      { line: 'boi-node doctor --bundle report.tar.gz --log /var/log/boi-node.log', does: 'for a bug report' },
    ],
    load: async () => (await import('../commands/doctor.ts')).examine,
  },
  {
    path: ['completion'],
    summary: 'Print the completion script of a shell; it also completes specs, tasks, nodes and contexts.',
    positionals: [{ name: 'shell', summary: 'bash, zsh or fish.', choices: ['bash', 'zsh', 'fish'] }],
    examples: [
      { line: 'source <(boi-node completion bash)', does: 'for this shell' },
      { line: 'boi-node completion fish > ~/.config/fish/completions/boi-node.fish', does: 'for good' },
    ],
    load: async () => (await import('../commands/completion.ts')).printCompletion,
  },
  {
    path: ['version'],
    summary: 'Version of this command.',
    examples: [
      { line: 'boi-node version', does: 'version' },
      { line: 'boi-node --version', does: 'the same' },
    ],
    load: async () => (await import('../commands/version.ts')).printVersion,
  },
  {
    path: ['__complete'],
    summary: 'Names for a shell: one a line.',
    hidden: true,
    positionals: [
      { name: 'kind', summary: 'What.', choices: ['spec', 'task', 'node', 'group', 'context'] },
      { name: 'word', summary: 'The beginning of the word.', optional: true },
    ],
    examples: [],
    load: async () => (await import('../commands/complete.ts')).completeNames,
  },
];

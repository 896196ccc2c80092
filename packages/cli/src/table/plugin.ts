/** Commands on the plugins of nodes. */
import type { Command, Flag, Positional } from '../command.ts';

const NAME: Positional = { name: 'name', summary: 'How the node calls the plugin.' };
const KIND: Flag = {
  name: 'kind',
  kind: 'choice',
  choices: ['hooks', 'pool', 'provisioner', 'router', 'workspace'],
  summary: 'What it does for the node. Required.',
};
const NODE: Flag = {
  name: 'node',
  kind: 'text',
  value: 'NODE',
  completes: 'node',
  summary: 'Node, by id or name. Default: the one that answers.',
};
const PLACE: readonly Flag[] = [
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
    summary: "The daemon's configuration file, for its directory.",
  },
];

export const PLUGIN_COMMANDS: readonly Command[] = [
  {
    path: ['plugin', 'install'],
    summary: "Put a plugin into this host's data directory; the daemon runs it from its next start on.",
    description: [
      'The program is started once and must answer the handshake; else nothing is written. What is written is `plugins/<name>.json` in the data directory, mode 0600.',
      'The plugin gets few of the daemon’s variables (PATH, HOME, LANG and the like) and what is given with --set.',
    ],
    positionals: [NAME],
    flags: [
      KIND,
      {
        name: 'tier',
        kind: 'choice',
        choices: ['best_effort', 'audit'],
        summary: 'Hooks: audit keeps events on disk until the plugin has them, and work waits while it is far behind.',
        default: 'best_effort',
      },
      {
        name: 'events',
        kind: 'texts',
        value: 'KINDS',
        summary: 'Hooks: kinds of events it gets, comma-separated. Default: those it asks for.',
      },
      {
        name: 'ready-timeout',
        kind: 'duration',
        min: 1,
        max: 600_000,
        summary: 'From its start to the answered handshake.',
        default: '10s',
      },
      { name: 'set', kind: 'pairs', value: 'NAME=VALUE', summary: 'A variable of its environment.' },
      {
        name: 'workdir',
        kind: 'text',
        value: 'DIRECTORY',
        completes: 'directory',
        summary: 'Where it runs. Default: the present directory.',
      },
      { name: 'replace', kind: 'switch', summary: 'Write over a plugin of that name.' },
      ...PLACE,
    ],
    takesCommand: true,
    examples: [
      {
        line: 'boi-node plugin install audit --kind hooks --tier audit -- boi-hooks-jsonl --file /var/log/boi/events.jsonl',
        does: 'every event into a file',
      },
      {
        line: 'boi-node plugin install alerts --kind hooks --events task.failed,node.crashed --set URL=https://chat.example.org -- /opt/alerts',
        does: 'some events to a program of your own',
      },
    ],
    load: async () => (await import('../commands/plugin-install.ts')).installPlugin,
  },
  {
    path: ['plugin', 'remove'],
    summary: "Take a plugin out of this host's data directory; the daemon runs it until it stops.",
    positionals: [NAME],
    flags: PLACE,
    examples: [
      { line: 'boi-node plugin remove alerts', does: 'from ./boi-data' },
      { line: 'boi-node plugin remove alerts --data-dir /var/lib/boi', does: 'from another directory' },
    ],
    load: async () => (await import('../commands/plugin-install.ts')).removePlugin,
  },
  {
    path: ['plugin', 'list'],
    summary: 'The plugins that a node runs; with --installed those in the data directory of this host.',
    description: [
      'A running node tells of its plugins with their states. With --installed no daemon is asked: it lists the files `plugins/<name>.json` of the data directory, which a daemon reads when it starts, with what is wrong in them; exit 1 if something is. Values of variables are not shown.',
    ],
    flags: [NODE, { name: 'installed', kind: 'switch', summary: 'Files of this host, without a daemon.' }, ...PLACE],
    examples: [
      { line: 'boi-node plugin list', does: 'of the node that answers' },
      { line: 'boi-node plugin list --node build-1 -o wide', does: 'of another, with programs' },
      {
        line: 'boi-node plugin list --installed --data-dir /var/lib/boi',
        does: 'of this host, before its daemon runs',
      },
    ],
    load: async () => (await import('../commands/plugin.ts')).listPlugins,
  },
  {
    path: ['plugin', 'show'],
    summary: 'One plugin: state, crashes, and what it said of itself in the handshake.',
    positionals: [NAME],
    flags: [NODE],
    examples: [
      { line: 'boi-node plugin show audit', does: 'for a person' },
      { line: 'boi-node plugin show audit --node build-1 -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/plugin.ts')).showPlugin,
  },
  {
    path: ['plugin', 'restart'],
    summary:
      'Stop a plugin, forget its crashes, start it, and wait until it is ready; exit 1 if it does not become so.',
    positionals: [NAME],
    flags: [NODE],
    examples: [
      { line: 'boi-node plugin restart audit', does: 'one that was unstable, mended' },
      { line: 'boi-node plugin restart audit --node build-1', does: 'on another node' },
    ],
    load: async () => (await import('../commands/plugin.ts')).restartPlugin,
  },
  {
    path: ['plugin', 'logs'],
    summary: 'What a plugin wrote, and what became of it: one line each with time and stream.',
    positionals: [NAME],
    flags: [
      NODE,
      { name: 'follow', short: 'f', kind: 'switch', summary: 'Go on with what it writes from now on.' },
      {
        name: 'tail-bytes',
        kind: 'bytes',
        min: 0,
        max: 8_388_608,
        summary: 'Only the last so many bytes, from a whole line on.',
        default: '64KiB',
      },
    ],
    examples: [
      { line: 'boi-node plugin logs audit', does: 'the end of it' },
      { line: 'boi-node plugin logs audit --node build-1 --follow', does: 'as it is written, on another node' },
    ],
    load: async () => (await import('../commands/plugin.ts')).printPluginLog,
  },
  {
    path: ['plugin', 'test'],
    summary: 'Check that a program conforms to the contract of its kind: a checklist; exit 1 if a check fails.',
    description: [
      'The program is started many times, killed, sent garbage and asked in vain: do not point it at anything of value. A workspace plugin is tested with a source it can prepare (--source).',
    ],
    flags: [
      KIND,
      { name: 'set', kind: 'pairs', value: 'NAME=VALUE', summary: 'A variable of its environment.' },
      { name: 'source', kind: 'text', value: 'SOURCE', summary: 'Workspace: a source that it can prepare.' },
    ],
    takesCommand: true,
    examples: [
      { line: 'boi-node plugin test --kind hooks -- python3 my_plugin.py', does: 'a plugin of your own' },
      { line: 'boi-node plugin test --kind router -o json -- boi-router-spread', does: 'for a program' },
    ],
    load: async () => (await import('../commands/plugin-test.ts')).testPlugin,
  },
];

/** `dev` and `join`. The flags of `join` are the daemon's own settings, so that nothing about them is said twice. */
import { DAEMON_SETTINGS, type Setting } from '@boi/node/config';
import type { Command, Flag } from '../command.ts';
import { variableOf } from '../settings.ts';

const KINDS: Readonly<Record<Setting['type'], Flag['kind']>> = {
  string: 'text',
  integer: 'text',
  duration: 'text',
  bytes: 'text',
  boolean: 'switch',
  list: 'texts',
  map: 'texts',
  choice: 'choice',
  listen: 'text',
};
const WORDS: Partial<Record<Setting['type'], string>> = {
  integer: 'N',
  duration: 'DURATION',
  bytes: 'BYTES',
  list: 'ITEM[,ITEM]',
  map: 'KEY=VALUE',
  listen: 'ADDRESS:PORT',
};

/** Values stay text here: the daemon's own configuration reads, bounds and explains them, with variables and file merged in. */
function flagOf(name: string, setting: Setting): Flag {
  const word = WORDS[setting.type];
  const range = setting.max === undefined ? '' : ` ${rangeText(setting)}`;
  return {
    name,
    kind: KINDS[setting.type],
    summary: `${setting.description}${range} Env ${variableOf(name)}.`,
    ...(word === undefined ? {} : { value: word }),
    ...(setting.default === undefined ? {} : { default: setting.default }),
    ...(setting.choices === undefined ? {} : { choices: setting.choices }),
    ...(name.endsWith('-dir') ? { completes: 'directory' as const } : {}),
  };
}

function rangeText({ type, min = 0, max = 0 }: Setting): string {
  const unit = type === 'duration' ? ' ms' : type === 'bytes' ? ' bytes' : '';
  return `${min} to ${max}${unit}.`;
}

export const DAEMON_FLAGS: readonly Flag[] = Object.entries(DAEMON_SETTINGS).map(([name, s]) => flagOf(name, s));

export const DAEMON_COMMANDS: readonly Command[] = [
  {
    path: ['dev'],
    summary: 'Start a cluster on this machine, in one process, and make it the current context.',
    description: [
      'Prints the addresses of its nodes and a line beginning with `ready`. Ctrl-C stops it, and the context that was current before is current again.',
    ],
    flags: [
      { name: 'nodes', kind: 'integer', min: 1, max: 20, default: '3', summary: 'Nodes to start.' },
      {
        name: 'slots',
        kind: 'integer',
        min: 0,
        max: 10_000,
        summary: 'Slots of each node. Default: the number of CPUs.',
      },
      {
        name: 'port',
        kind: 'integer',
        min: 0,
        max: 65_000,
        default: '7440',
        summary: 'Port of the first node; the others follow. 0: free ones.',
      },
      {
        name: 'store',
        kind: 'choice',
        choices: ['memory', 'etcd'],
        default: 'memory',
        summary: 'memory: everything is gone afterwards. etcd: starts an etcd found on PATH.',
      },
      {
        name: 'data-dir',
        kind: 'text',
        value: 'DIRECTORY',
        completes: 'directory',
        summary: 'Where data is kept. Default: a temporary directory, removed on exit.',
      },
      { name: 'no-context', kind: 'switch', summary: 'Leave the current context alone.' },
      { name: 'insecure', kind: 'switch', summary: 'Plain HTTP on loopback, without certificates and identities.' },
      {
        name: 'log-level',
        kind: 'choice',
        choices: ['debug', 'info', 'warn', 'error'],
        default: 'warn',
        summary: 'Least severe line that is logged.',
      },
    ],
    examples: [
      { line: 'boi-node dev', does: 'three nodes on the in-process store' },
      { line: 'boi-node dev --nodes 1 --port 0 --no-context', does: 'one node on a free port, for a script' },
      { line: 'boi-node dev --store etcd --data-dir ./boi-dev', does: 'with state that stays' },
    ],
    load: async () => (await import('../commands/dev.ts')).startDev,
  },
  {
    path: ['join'],
    summary: 'Run a node of a cluster on this host, in the foreground.',
    description: [
      'Each setting is a flag, an environment variable or a key of the file given with --config; the flag wins, then the variable, then the file.',
      'The first start on a host needs a join token (`boi-node token create` on an admin node), or `boi-node cluster init` before it: its key is made here, its certificate is asked for, and the CA is the one whose fingerprint is in the token. Later starts find all of that, and where the store is, in the data directory. Certificates renew themselves.',
      'TERM and Ctrl-C drain with a short deadline and stop.',
    ],
    flags: [
      {
        name: 'config',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: 'Configuration file, YAML or JSON, with the names of these flags as keys. Env BOI_CONFIG.',
      },
      {
        name: 'enroll-only',
        kind: 'switch',
        summary: 'Get the certificate with the join token and leave; start the node later without it.',
      },
      ...DAEMON_FLAGS,
    ],
    examples: [
      {
        line: 'boi-node join --token-file /run/token --name build-2 --listen 10.0.0.6:7440 --data-dir /var/lib/boi',
        does: 'the first start on a host',
      },
      { line: 'boi-node join --data-dir /var/lib/boi', does: 'every later one' },
      {
        line: 'boi-node join --etcd http://127.0.0.1:2379 --name build-1 --insecure',
        does: 'without identities, on loopback',
      },
      {
        line: 'boi-node join --config /etc/boi/node.yaml --label gpu=a100 --slots 8',
        does: 'from a file, with changes',
      },
    ],
    load: async () => (await import('../commands/join.ts')).joinCluster,
  },
];

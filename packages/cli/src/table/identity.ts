/** Commands on who may do what: joining, users, the cluster's CA, its admin nodes, the audit. */
import type { Command, Flag, Positional } from '../command.ts';
import { DAEMON_FLAGS } from './daemon.ts';

const TOKEN: Positional = { name: 'token', summary: 'Join token, by its id (`tok_…`).' };
const USER: Positional = { name: 'user', summary: 'User, by id or name.' };
const NODE: Positional = { name: 'node', summary: 'Node, by id or name.', completes: 'node' };
const OUT: Flag = {
  name: 'out',
  kind: 'text',
  value: 'FILE',
  completes: 'file',
  summary: 'Where the bundle is written, mode 0600; never over a file that exists. Default: `<name>.boi.json` here.',
};
const SECRET: Flag = {
  name: 'secret',
  kind: 'switch',
  summary: 'A bearer secret in the bundle, for scripts that speak HTTP themselves, instead of a certificate.',
};
/** What of the daemon's settings founding a cluster needs. */
const FOUNDING = ['data-dir', 'name', 'etcd', 'prefix', 'listen', 'advertise', 'etcd-ca', 'etcd-cert', 'etcd-key'];

export const IDENTITY_COMMANDS: readonly Command[] = [
  {
    path: ['cluster', 'init'],
    summary: 'Found a cluster: its id, its CA, and this host as its first node and admin.',
    description: [
      'The key of the CA is made here and stays in the data directory (`identity/ca.key`, 0600). Refused when the prefix holds a cluster already. Run again with the same data directory it reports the same ids and writes nothing; interrupted anywhere, it goes on.',
      'Start the node then with `boi-node join` and the same settings. Commands on this machine use the identity of that node, until you make users: the context is set for that.',
    ],
    flags: [
      {
        name: 'config',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: 'Configuration file of the node, as for `join`.',
      },
      { name: 'context-name', kind: 'text', value: 'NAME', default: 'local', summary: 'What to call the context.' },
      { name: 'no-context', kind: 'switch', summary: 'Leave contexts alone.' },
      ...DAEMON_FLAGS.filter((flag) => FOUNDING.includes(flag.name)),
    ],
    examples: [
      {
        line: 'boi-node cluster init --etcd http://127.0.0.1:2379 --data-dir /var/lib/boi',
        does: 'on the first host, before its `join`',
      },
      {
        line: 'boi-node cluster init --config /etc/boi/node.yaml -o json',
        does: 'with the settings of its node; for a program',
      },
    ],
    load: async () => (await import('../commands/cluster-init.ts')).initCluster,
  },
  {
    path: ['cluster', 'ca', 'status'],
    summary: 'The CA: fingerprint, expiry, rotation, and which node has a certificate of which CA.',
    examples: [
      { line: 'boi-node cluster ca status', does: 'look' },
      { line: 'boi-node cluster ca status -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/cluster-ca.ts')).showCa,
  },
  {
    path: ['cluster', 'ca', 'rotate'],
    summary: 'Replace the CA, step by step, while everything runs.',
    description: [
      '`--plan` makes the next CA, which every node trusts from then on beside the present one; `--execute` lets it sign, once every live node trusts it, and nodes renew their certificates by themselves; `--finalize` ends the trust in the old one, and is refused while a node has not renewed; `--abort` goes back, until then.',
      'Users need a new certificate before `--finalize`: each runs `boi-node context refresh`. Progress: `boi-node cluster ca status`.',
    ],
    flags: [
      { name: 'plan', kind: 'switch', summary: 'Prepare the next CA.' },
      { name: 'execute', kind: 'switch', summary: 'Let it sign.' },
      { name: 'finalize', kind: 'switch', summary: 'End the trust in the old one.' },
      { name: 'abort', kind: 'switch', summary: 'Back to the old one.' },
      {
        name: 'trust-window',
        kind: 'duration',
        min: 0,
        max: 2_592_000_000,
        default: '24h',
        summary: 'With --plan: how long the old CA is trusted at least, after --execute.',
      },
      {
        name: 'force',
        kind: 'switch',
        summary:
          'With --execute: although live nodes do not trust the new CA yet. With --finalize: although nodes have not renewed; they must join anew.',
      },
    ],
    examples: [
      { line: 'boi-node cluster ca rotate --plan --trust-window 24h', does: 'prepare' },
      { line: 'boi-node cluster ca rotate --execute', does: 'when all nodes know it' },
      { line: 'boi-node cluster ca rotate --finalize', does: 'end' },
    ],
    load: async () => (await import('../commands/cluster-ca.ts')).rotateCa,
  },
  {
    path: ['cluster', 'admin', 'list'],
    summary: 'Nodes that hold the key of the CA.',
    examples: [
      { line: 'boi-node cluster admin list', does: 'all' },
      { line: 'boi-node cluster admin list -o name', does: 'ids alone' },
    ],
    load: async () => (await import('../commands/cluster-admin.ts')).listAdmins,
  },
  {
    path: ['cluster', 'admin', 'grant'],
    summary: 'Make nodes admins: they get the key of the CA, over mutual TLS.',
    positionals: [{ ...NODE, many: true }],
    examples: [
      { line: 'boi-node cluster admin grant build-2', does: 'a second one, so that the first may be lost' },
      { line: 'boi-node cluster admin grant build-2 build-3', does: 'two' },
    ],
    load: async () => (await import('../commands/cluster-admin.ts')).grantAdmins,
  },
  {
    path: ['cluster', 'admin', 'revoke'],
    summary: 'Nodes are no admins any more. The last one stays.',
    description: ['What a host has seen it may remember: if it is not trusted any more, rotate the CA as well.'],
    positionals: [{ ...NODE, many: true }],
    examples: [
      { line: 'boi-node cluster admin revoke build-2', does: 'one' },
      { line: 'boi-node cluster admin list', does: 'look first' },
    ],
    load: async () => (await import('../commands/cluster-admin.ts')).revokeAdmins,
  },
  {
    path: ['cluster', 'audit'],
    summary: 'Who changed what: the actor from the credential, the operation, its subject.',
    flags: [
      { name: 'follow', short: 'f', kind: 'switch', summary: 'Go on with each new record, until Ctrl-C.' },
      { name: 'actor', kind: 'text', value: 'ID', summary: 'Only of this user or node.' },
      {
        name: 'since',
        kind: 'duration',
        min: 0,
        max: 31_536_000_000,
        default: '24h',
        summary: 'From so long ago on. Without --follow.',
      },
      {
        name: 'last',
        kind: 'integer',
        min: 0,
        max: 1_000,
        default: '10',
        summary: 'With --follow: so many old ones first.',
      },
      { name: 'limit', kind: 'integer', min: 1, max: 100_000, default: '1000', summary: 'At most so many.' },
    ],
    examples: [
      { line: 'boi-node cluster audit --since 1h', does: 'what was done, oldest first' },
      { line: 'boi-node cluster audit --follow -o json', does: 'each as it happens, one JSON document a line' },
    ],
    load: async () => (await import('../commands/cluster-audit.ts')).showAudit,
  },
  {
    path: ['token', 'create'],
    summary: 'A join token: admits one node, once, until it expires. Standard output has the token alone.',
    flags: [
      { name: 'ttl', kind: 'duration', min: 10_000, max: 604_800_000, default: '5m', summary: 'How long it is good.' },
      {
        name: 'bind-name',
        kind: 'text',
        value: 'NAME',
        summary: 'Only a node that joins with this --name may use it.',
      },
      {
        name: 'bind-key',
        kind: 'text',
        value: 'FINGERPRINT',
        summary: 'Only the node with this public key: its SHA-256, hexadecimal.',
      },
      {
        name: 'ca-key',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary:
          'Made here with the key of the CA, without asking the cluster; `--endpoints`, or those of the context, say where to join.',
      },
      {
        name: 'ca',
        kind: 'text',
        value: 'FILE',
        completes: 'file',
        summary: 'With --ca-key: certificate of the CA. Default: `ca.pem` beside the key.',
      },
    ],
    examples: [
      { line: 'token=$(boi-node token create)', does: 'for the next five minutes' },
      { line: 'boi-node token create --ttl 1h --bind-name build-2', does: 'for that node only' },
      {
        line: 'boi-node token create --ca-key /media/key/ca.key --endpoints https://build-1.example.org:7440',
        does: 'offline, with the key of the CA at hand',
      },
    ],
    load: async () => (await import('../commands/token.ts')).createToken,
  },
  {
    path: ['token', 'list'],
    summary: 'Join tokens: when they expire, who used them. Never the tokens themselves.',
    examples: [
      { line: 'boi-node token list', does: 'all that are kept' },
      { line: 'boi-node token list -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/token.ts')).listTokens,
  },
  {
    path: ['token', 'revoke'],
    summary: 'Tokens that were not used yet never will be.',
    positionals: [{ ...TOKEN, many: true }],
    examples: [
      { line: 'boi-node token revoke tok_01kapz0vge5n3m8q2r7t4wabcd', does: 'one' },
      { line: 'boi-node token list -o name | xargs boi-node token revoke', does: 'all' },
    ],
    load: async () => (await import('../commands/token.ts')).revokeTokens,
  },
  {
    path: ['user', 'create'],
    summary: 'Make a user, and the bundle with which that user adds a context. Prints the id.',
    description: [
      'The private key is made here and is in the bundle alone; hand the file over as you would a password. Roles: viewer reads; operator also runs work and drains nodes; admin does everything. `--project` limits the user to that project.',
    ],
    positionals: [{ name: 'name', summary: 'Name people see.' }],
    flags: [
      {
        name: 'role',
        kind: 'choice',
        choices: ['admin', 'operator', 'viewer'],
        default: 'viewer',
        summary: 'What the user may do.',
      },
      SECRET,
      OUT,
    ],
    examples: [
      { line: 'boi-node user create alice --role operator --out alice.json', does: 'for a person' },
      { line: 'boi-node user create ci --role operator --project web --secret', does: 'for a script, in one project' },
    ],
    load: async () => (await import('../commands/user.ts')).createUser,
  },
  {
    path: ['user', 'list'],
    summary: 'Users, with role and credential.',
    flags: [{ name: 'name', kind: 'text', value: 'NAME', summary: 'Only those with exactly this name.' }],
    examples: [
      { line: 'boi-node user list', does: 'all' },
      { line: 'boi-node user list --name alice -o json', does: 'for a program' },
    ],
    load: async () => (await import('../commands/user.ts')).listUsers,
  },
  {
    path: ['user', 'revoke'],
    summary: "Refuse users' credentials from now on.",
    positionals: [{ ...USER, many: true }],
    examples: [
      { line: 'boi-node user revoke alice', does: 'one' },
      { line: 'boi-node user revoke alice bob', does: 'two' },
    ],
    load: async () => (await import('../commands/user.ts')).revokeUsers,
  },
  {
    path: ['user', 'reissue'],
    summary: 'A new credential for the same user; the old one is refused from then on.',
    description: [
      'With --save the new credential takes the place of the one in the current context: for your own. Two commands at once end with one valid credential in one whole file.',
    ],
    positionals: [USER],
    flags: [SECRET, OUT, { name: 'save', kind: 'switch', summary: 'Into the current context, instead of a file.' }],
    examples: [
      { line: 'boi-node user reissue alice --out alice.json', does: 'a new bundle to hand over' },
      { line: 'boi-node user reissue me-the-admin --save', does: 'your own, in place' },
    ],
    load: async () => (await import('../commands/user.ts')).reissueUser,
  },
  {
    path: ['whoami'],
    summary: 'Who you are to the cluster: user, role, project, until when the certificate is good.',
    examples: [
      { line: 'boi-node whoami', does: 'in the current context' },
      { line: 'boi-node whoami --context lab -o json', does: 'in another, for a program' },
    ],
    load: async () => (await import('../commands/whoami.ts')).showWhoami,
  },
];

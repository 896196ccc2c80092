/**
 * The table of the daemon's settings. The flags of `join`, the reference of the command and what `config.ts` reads and bounds
 * are derived from it. A setting has one name in three spellings: flag `--session-ttl`, environment `BOI_SESSION_TTL`, file
 * key `session-ttl`.
 */
export type SettingType =
  | 'string'
  | 'integer'
  | 'duration'
  | 'bytes'
  | 'boolean'
  | 'list'
  | 'map'
  | 'choice'
  | 'listen';

export interface Setting {
  readonly type: SettingType;
  readonly description: string;
  /** As a person would write it. Absent: no value. */
  readonly default?: string;
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  readonly example: string;
}

const setting = <const S extends Setting>(s: S): S => s;

export const DAEMON_SETTINGS = {
  'data-dir': setting({
    type: 'string',
    description: 'Directory for identity, logs, work directories and the result buffer. One daemon at a time.',
    default: './boi-data',
    example: '/var/lib/boi',
  }),
  name: setting({ type: 'string', description: 'Name people see. Need not be unique.', example: 'build-1' }),
  etcd: setting({
    type: 'list',
    description: 'etcd endpoints, comma-separated. Default: what joining told, else http://127.0.0.1:2379.',
    example: 'http://127.0.0.1:2379',
  }),
  'etcd-ca': setting({
    type: 'string',
    description:
      'CA that signed the certificates of etcd (PEM file). With it go `etcd-cert` and `etcd-key`, and https:// endpoints.',
    example: '/etc/boi/etcd-ca.pem',
  }),
  'etcd-cert': setting({
    type: 'string',
    description: 'Certificate shown to etcd (PEM file).',
    example: '/etc/boi/etcd-client.pem',
  }),
  'etcd-key': setting({
    type: 'string',
    description: 'Its private key (PEM file).',
    example: '/etc/boi/etcd-client.key',
  }),
  prefix: setting({
    type: 'string',
    description:
      'Prefix of every key of this cluster in etcd. Begins and ends with `/`. Default: what joining told, else /boi/.',
    example: '/boi/',
  }),
  listen: setting({
    type: 'listen',
    description: 'Address and port of the API. Port 0 takes a free one. With `insecure` on loopback only.',
    default: '127.0.0.1:7440',
    example: '127.0.0.1:7440',
  }),
  advertise: setting({
    type: 'string',
    description: 'URL at which other nodes reach this API. Default: the address it listens on.',
    example: 'https://build-1.example.org:7440',
  }),
  insecure: setting({
    type: 'boolean',
    description: 'Plain HTTP without identities, on loopback only: whoever reaches it may do everything.',
    default: 'false',
    example: 'true',
  }),
  token: setting({
    type: 'string',
    description:
      'Join token, for the first start. Others of this host may see it in the list of processes: prefer `token-file`.',
    example: 'eyJhbGciOi…',
  }),
  'token-file': setting({
    type: 'string',
    description: 'File with the join token, for the first start.',
    example: '/run/boi-token',
  }),
  label: setting({
    type: 'map',
    description: 'Labels tasks can require, `key=value`, comma-separated or repeated.',
    example: 'gpu=a100,zone=east',
  }),
  slots: setting({
    type: 'integer',
    description: 'Tasks of one slot run at once. Default: the number of CPUs.',
    min: 0,
    max: 10_000,
    example: '8',
  }),
  'session-ttl': setting({
    type: 'duration',
    description: 'Lease of the session: how long after a crash the node counts as alive. Renewed every third of it.',
    default: '15s',
    min: 3_000,
    max: 120_000,
    example: '15s',
  }),
  'shutdown-drain': setting({
    type: 'duration',
    description: 'After TERM, wait this long for running tasks before they are requeued.',
    default: '10s',
    min: 0,
    max: 86_400_000,
    example: '30s',
  }),
  'provision-deadline': setting({
    type: 'duration',
    description:
      'With a provisioner: a node that was asked for must have joined within this long, else what was begun is removed.',
    default: '2m',
    min: 1_000,
    max: 86_400_000,
    example: '5m',
  }),
  'provision-idle': setting({
    type: 'duration',
    description: 'With a provisioner: a node that it made is drained and removed after so long without work.',
    default: '5m',
    min: 1_000,
    max: 30 * 86_400_000,
    example: '15m',
  }),
  'log-bytes': setting({
    type: 'bytes',
    description: 'Cap of one log file; beyond it the middle of the output is dropped, with a visible mark.',
    default: '1GiB',
    min: 65_536,
    max: 2 ** 40,
    example: '256MiB',
  }),
  'log-keep': setting({
    type: 'duration',
    description: 'Logs of ended tasks are removed after this long.',
    default: '7d',
    min: 0,
    max: 3_650 * 86_400_000,
    example: '7d',
  }),
  'log-keep-bytes': setting({
    type: 'bytes',
    description: 'Logs of one spec beyond this are removed, oldest first, never those of a running task.',
    default: '100MiB',
    min: 0,
    max: 2 ** 40,
    example: '100MiB',
  }),
  'archive-keep': setting({
    type: 'duration',
    description:
      'Finished specs can be read for this long; then they are removed. As the next two, the same on all nodes: any of them may remove.',
    default: '7d',
    min: 60_000,
    max: 3_650 * 86_400_000,
    example: '30d',
  }),
  'archive-specs': setting({
    type: 'integer',
    description: 'At most so many finished specs are kept in the store, oldest removed first, whatever their age.',
    default: '100000',
    min: 1,
    max: 10_000_000,
    example: '20000',
  }),
  'archive-bytes': setting({
    type: 'bytes',
    description: 'At most so many bytes of finished specs are kept in the store, oldest removed first.',
    default: '100MB',
    min: 1_000_000,
    max: 2 ** 40,
    example: '500MB',
  }),
  'request-rate': setting({
    type: 'integer',
    description:
      'Requests a second from one identity (without identities: one address); twice that in a burst. 0: any.',
    default: '2000',
    min: 0,
    max: 1_000_000,
    example: '2000',
  }),
  'secrets-file': setting({
    type: 'string',
    description: 'JSON object of secret names and values for tasks that list them under `secrets`. Mode 0600.',
    example: '/etc/boi/secrets.json',
  }),
  'task-user': setting({
    type: 'string',
    description: 'User that tasks run as, when the daemon is root. Default: the daemon itself.',
    example: 'nobody',
  }),
  'work-dir': setting({
    type: 'string',
    description:
      'Directory of the work directories of tasks. Default: work in the data directory; with `task-user`, which cannot enter that one, beside it, with -work at the end.',
    example: '/var/lib/boi-work',
  }),
  'log-level': setting({
    type: 'choice',
    description: 'Least severe line the daemon logs.',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    example: 'info',
  }),
} as const;

export type SettingName = keyof typeof DAEMON_SETTINGS;
export const SETTING_NAMES = Object.keys(DAEMON_SETTINGS) as SettingName[];

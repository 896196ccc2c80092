/** The flags of the plugin, each checked. */
import { parseArgs } from 'node:util';
import { type Bind, type Limits, readBind, readLimits, readPair, readPath } from '@boi/docker-engine';

export interface Settings {
  /** Of tasks that name none. */
  readonly image?: string;
  /** What the images that tasks name may begin with; empty: anything. */
  readonly allow: readonly string[];
  readonly pull: 'missing' | 'never';
  readonly network?: string;
  /** Of tasks that ask for none. */
  readonly limits: Limits;
  /** Undefined: the image's. */
  readonly user?: string;
  /** Variables that are left to the image. */
  readonly imageEnv: ReadonlySet<string>;
  /** Where the engine has what the node has at `seen`. */
  readonly paths: readonly { readonly seen: string; readonly there: string }[];
  readonly mounts: readonly Bind[];
  readonly labels: Readonly<Record<string, string>>;
  readonly socket?: string;
}

/** Throws, naming the flag and what would be right. `ownUser`: `uid:gid` of this process. */
export function readSettings(args: readonly string[], ownUser: string): Settings {
  const list = { type: 'string', multiple: true, default: [] as string[] } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      image: { type: 'string' },
      allow: list,
      pull: { type: 'string', default: 'missing' },
      network: { type: 'string' },
      cpus: { type: 'string' },
      memory: { type: 'string' },
      user: { type: 'string', default: ownUser },
      'image-env': list,
      path: list,
      mount: list,
      label: list,
      socket: { type: 'string' },
    },
  });
  const { image, pull, network, user, socket } = values;
  if (pull !== 'missing' && pull !== 'never') throw new Error(`--pull ${pull}: must be missing or never`);
  return {
    ...(image === undefined ? {} : { image }),
    allow: values.allow,
    pull,
    ...(network === undefined ? {} : { network }),
    limits: readLimits('--', { cpus: values.cpus, memory: values.memory }),
    ...(user === 'image' ? {} : { user }),
    imageEnv: new Set(values['image-env'].flatMap((names) => names.split(','))),
    paths: values.path.map((text) => {
      const [seen, there] = readPair('--path', text, 'SEEN=THERE');
      return { seen: readPath('--path', seen), there: readPath('--path', there) };
    }),
    mounts: values.mount.map((text) => readBind('--mount', text)),
    labels: Object.fromEntries(values.label.map((text) => readPair('--label', text, 'KEY=VALUE'))),
    ...(socket === undefined ? {} : { socket: readPath('--socket', socket) }),
  };
}

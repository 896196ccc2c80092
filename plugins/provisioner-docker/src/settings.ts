/** The flags of the plugin, each checked. What comes after `--` is given to the image's program. */
import { parseArgs } from 'node:util';
import { type Bind, type Limits, readBind, readLimits, readPair, readPath } from '@boi/docker-engine';
import { type Offers, parseOffers } from '@boi/plugin-sdk';

export interface Settings {
  readonly image: string;
  readonly args: readonly string[];
  /** Nodes at once on the engine. */
  readonly max: number;
  /** Undefined: unknown, and every request is tried. */
  readonly offers?: Offers;
  readonly network?: string;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly Bind[];
  readonly limits: Limits;
  /** Between TERM and KILL: a node drains. */
  readonly stopS: number;
  readonly socket?: string;
}

/** The call has 120 s in all. */
const STOP_S_MAX = 100;
const NODES_MAX = 10_000;

/** Throws, naming the flag and what would be right. */
export function readSettings(given: readonly string[]): Settings {
  const list = { type: 'string', multiple: true, default: [] as string[] } as const;
  const { values, positionals } = parseArgs({
    args: [...given],
    options: {
      image: { type: 'string' },
      max: { type: 'string', default: '4' },
      offers: { type: 'string' },
      network: { type: 'string' },
      env: list,
      label: list,
      mount: list,
      cpus: { type: 'string' },
      memory: { type: 'string' },
      'stop-seconds': { type: 'string', default: '20' },
      socket: { type: 'string' },
    },
    allowPositionals: true,
  });
  const { image, offers, network, socket } = values;
  if (image === undefined || image === '') throw new Error('--image: must name the image of the nodes');
  return {
    image,
    args: positionals,
    max: whole('--max', values.max, 1, NODES_MAX),
    ...(offers === undefined ? {} : { offers: parseOffers(offers) }),
    ...(network === undefined ? {} : { network }),
    env: Object.fromEntries(values.env.map((text) => readPair('--env', text, 'NAME=VALUE'))),
    labels: Object.fromEntries(values.label.map((text) => readPair('--label', text, 'KEY=VALUE'))),
    mounts: values.mount.map((text) => readBind('--mount', text)),
    limits: readLimits('--', { cpus: values.cpus, memory: values.memory }),
    stopS: whole('--stop-seconds', values['stop-seconds'], 0, STOP_S_MAX),
    ...(socket === undefined ? {} : { socket: readPath('--socket', socket) }),
  };
}

function whole(flag: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < min || number > max)
    throw new Error(`${flag} ${text}: must be a whole number from ${min} to ${max}`);
  return number;
}

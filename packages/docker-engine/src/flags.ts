/** Values of flags and options, read strictly. Each reader throws an error with the name, what was given, and what would be right. */
import type Docker from 'dockerode';

export interface Limits {
  /** CPUs, in parts too. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

export interface Bind {
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

const CPUS_MAX = 1_024;
const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };
/** The engine takes no less. */
const MEMORY_BYTES_MIN = 6 * 2 ** 20;

/** What was given of the two; `prefix` goes before the names in errors. */
export function readLimits(prefix: string, { cpus, memory }: Readonly<Record<string, string | undefined>>): Limits {
  return {
    ...(cpus === undefined ? {} : { cpus: readCpus(`${prefix}cpus`, cpus) }),
    ...(memory === undefined ? {} : { memoryBytes: readMemory(`${prefix}memory`, memory) }),
  };
}

function readCpus(name: string, text: string): number {
  const cpus = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || cpus < 0.01 || cpus > CPUS_MAX)
    throw new Error(`${name} ${text}: must be a number of CPUs from 0.01 to ${CPUS_MAX}, like 1.5`);
  return cpus;
}

function readMemory(name: string, text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([KMGT]iB)?$/.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * (UNITS[unit] ?? Number.NaN));
  if (number === '' || !Number.isSafeInteger(bytes) || bytes < MEMORY_BYTES_MIN)
    throw new Error(`${name} ${text}: must be a size of at least 6MiB, like 512MiB or 4GiB`);
  return bytes;
}

/** As the engine takes them. */
export function limitsConfig({ cpus, memoryBytes }: Limits): Docker.HostConfig {
  return {
    ...(cpus === undefined ? {} : { NanoCpus: Math.round(cpus * 1e9) }),
    // Without swap: the limit is what was asked for.
    ...(memoryBytes === undefined ? {} : { Memory: memoryBytes, MemorySwap: memoryBytes }),
  };
}

/** `SOURCE:TARGET` or `SOURCE:TARGET:ro`. */
export function readBind(flag: string, text: string): Bind {
  const [source = '', target = '', mode = 'rw', ...more] = text.split(':');
  if (more.length > 0 || (mode !== 'rw' && mode !== 'ro'))
    throw new Error(`${flag} ${text}: must be SOURCE:TARGET or SOURCE:TARGET:ro`);
  return { source: readPath(flag, source), target: readPath(flag, target), readOnly: mode === 'ro' };
}

/** As the engine takes them; one whose source is not there is refused by it. */
export function bindConfig(binds: readonly Bind[]): Docker.MountConfig {
  return binds.map(({ source, target, readOnly }) => ({
    Type: 'bind' as const,
    Source: source,
    Target: target,
    ReadOnly: readOnly,
  }));
}

/** `right` says how it is written: `KEY=VALUE`. */
export function readPair(flag: string, text: string, right: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new Error(`${flag} ${text}: must be ${right}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

export function readPath(flag: string, path: string): string {
  if (!path.startsWith('/')) throw new Error(`${flag} ${path}: must be an absolute path`);
  return path;
}

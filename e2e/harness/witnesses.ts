/** What the programs of `programs/` are told by a test, and what they write for it into the shared directory. */
import type { Cluster } from './cluster.ts';

/** For `receiver.ts`: up to which sequences it takes and acknowledges. */
export interface Gate {
  readonly take: number;
  readonly acknowledge: number;
}

/** An event as `receiver.ts` had it; one that came again has two. */
export interface Receipt {
  readonly sequence: number;
  readonly id: string;
  readonly kind: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Whether its write-ahead log had it at that moment. */
  readonly onDisk: boolean;
}

/** What `speaker.ts` is asked to be. */
export interface Wishes {
  /** Of the contract; default 0. */
  readonly minor?: number;
  /** Major version of the contract, and of the only service it serves; default 1. */
  readonly contract?: number;
  /** It serves, and never says that it is ready, while there is no such file. */
  readonly silentWithout?: string;
}

/** What one process of `speaker.ts` is. */
export interface Spoken {
  readonly pid: number;
  readonly child: number;
  readonly name: string;
  readonly version: string;
  readonly capabilities: readonly string[];
}

/** What `recorder.ts` was sent: the bytes of a message, in hexadecimal digits, or the metadata of a call, as JSON. */
export interface Recorded {
  readonly path: string;
  readonly bytes?: string;
  readonly metadata?: string;
}

/** The lines of a program. */
export async function lines<T extends Receipt | Spoken | Recorded>(cluster: Cluster, file: string): Promise<T[]> {
  return (await cluster.effects(file)).map((line) => JSON.parse(line) as T);
}

/** Everything in it that can be read, also what is wrapped in base64, as the payloads of tokens are. */
export function readable(recorded: readonly Recorded[]): string {
  const texts = recorded.map(
    ({ bytes, metadata = '' }) => Buffer.from(bytes ?? '', 'hex').toString('latin1') + metadata,
  );
  const wrapped = texts.flatMap((text) => text.match(/[\w+/-]{16,}/g) ?? []);
  // Where it begins is not told: one of four ways to read it is right.
  const read = [0, 1, 2, 3].flatMap((from) =>
    wrapped.map((text) => Buffer.from(text.slice(from), 'base64').toString('latin1')),
  );
  return [...texts, ...read].join('\n');
}

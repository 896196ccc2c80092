/** What a started program is to the rest of the worker, however it was started. */
import type { Readable } from 'node:stream';

export interface SpawnRequest {
  /** A path, or a name that is looked for on `env.PATH`. */
  readonly program: string;
  /** Without the program's own name. */
  readonly args: readonly string[];
  readonly cwd: string;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Exit {
  readonly exitCode: number | undefined;
  /** Name of the signal that ended it. */
  readonly signal: string | undefined;
}

/** Leader of a session of its own, standard input empty. */
export interface Spawned {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit, collected: from then on `pid` may be another process. */
  readonly exited: Promise<Exit>;
}

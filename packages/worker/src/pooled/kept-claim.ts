/**
 * A claim whose task a pool runs, on disk, so that the next life of a daemon that was killed takes it up: whose claim it is, how
 * far its output was taken, and, once there is one, its end. Two files in `<data>/pooled`, of mode 0600:
 *
 *   {task}.{fence}.json   the claim and what became of it, replaced as a whole
 *   {task}.{fence}.at     how many bytes of output were taken, and how long the log was with them: 42 bytes, written over in place
 *
 * Written before the pool hears of the task; gone when the claim is over. Not fsynced: against the death of a process that is
 * enough; after the host's the file may be missing or torn, is no claim then, and the pool is made to release the task. A disk
 * that refuses a write ends the keeping and not the task.
 */
import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Assignment } from '@boi/core';
import type { PoolEnd } from '../ports.ts';
import type { Ending } from '../steps/ending.ts';
import { keptName } from './kept-keys.ts';

const VERSION = 1;

export interface KeptFacts {
  /** Without what it learnt from tasks it needs. */
  readonly assignment: Assignment;
  /** Name of the pool plugin that runs it. */
  readonly plugin: string;
  /** Since when its timeout counts; wall clock, milliseconds since the epoch. */
  readonly from: number;
  readonly startedAt?: number;
  readonly secrets: SecretsMark;
  /** The directory that a workspace plugin made for it. */
  readonly workspace?: { readonly path: string; readonly version: string };
  /** As the pool told it, before it was released there. */
  readonly end?: PoolEnd;
  /** Masked; with its outputs. */
  readonly ending?: Ending;
  /** The workspace plugin has its directory back, and has pushed what was to be. */
  readonly givenBack?: true;
}

/** Of output: everything before `taken` is in the first `logBytes` of the log. */
export interface KeptPlace {
  readonly taken: number;
  readonly logBytes: number;
}

/** Tells whether secrets are still what they were, without telling what they are. */
export interface SecretsMark {
  readonly salt: string;
  readonly digest: string;
}

export type OnProblem = (error: Error, file: string) => void;

export class KeptClaim {
  readonly #path: string;
  readonly #onProblem: OnProblem;
  #facts: KeptFacts;
  #place: KeptPlace;
  #at: FileHandle | undefined;
  #over = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, facts: KeptFacts, place: KeptPlace, onProblem: OnProblem) {
    this.#path = path;
    this.#facts = facts;
    this.#place = place;
    this.#onProblem = onProblem;
  }

  /** Undefined: the disk refuses. */
  static async create(
    dir: string,
    facts: KeptFacts,
    place: KeptPlace,
    onProblem: OnProblem,
  ): Promise<KeptClaim | undefined> {
    const { task, fence } = facts.assignment;
    const kept = new KeptClaim(join(dir, keptName(task, fence)), facts, place, onProblem);
    await mkdir(dir, { recursive: true, mode: 0o700 }).catch(() => undefined);
    await kept.keepPlace(place);
    await kept.set({});
    return kept.#over ? undefined : kept;
  }

  /** All that an earlier life left; what cannot be read is removed, and told. Only the holder of the data directory's lock may call it. */
  static async readAll(dir: string, onProblem: OnProblem): Promise<KeptClaim[]> {
    const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') onProblem(error, dir);
      return [];
    });
    const found: KeptClaim[] = [];
    for (const name of names.filter((one) => one.endsWith('.json'))) {
      const path = join(dir, name.slice(0, -'.json'.length));
      try {
        const place = decodePlace(await readFile(`${path}.at`, 'latin1'));
        found.push(new KeptClaim(path, decodeFacts(await readFile(`${path}.json`, 'utf8')), place, onProblem));
      } catch (error) {
        onProblem(error as Error, path);
      }
    }
    const known = new Set(found.flatMap((kept) => [`${kept.#path}.json`, `${kept.#path}.at`]));
    for (const name of names) {
      const path = join(dir, name);
      if (!known.has(path)) await rm(path, { force: true }).catch((error: Error) => onProblem(error, path));
    }
    return found;
  }

  get facts(): KeptFacts {
    return this.#facts;
  }

  get place(): KeptPlace {
    return this.#place;
  }

  /** Never rejects. */
  set(change: Partial<KeptFacts>): Promise<void> {
    this.#facts = { ...this.#facts, ...change };
    return this.#write(async () => {
      const text = JSON.stringify({ v: VERSION, ...this.#facts });
      await writeFile(`${this.#path}.json.new`, text, { mode: 0o600 });
      await rename(`${this.#path}.json.new`, `${this.#path}.json`);
    });
  }

  /** Never rejects. To be called when the log has so many bytes in its files. */
  keepPlace(place: KeptPlace): Promise<void> {
    this.#place = place;
    return this.#write(async () => {
      // Neither cut nor appended to: what is there stays until it is written over.
      this.#at ??= await open(`${this.#path}.at`, constants.O_RDWR | constants.O_CREAT, 0o600);
      await this.#at.write(encodePlace(this.#place), 0);
    });
  }

  /** The claim is over. Never rejects. */
  forget(): Promise<void> {
    return this.#write(() => this.#remove());
  }

  /** Nothing more is to be written for now; it stays, for another life of the daemon or until it is forgotten. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#at?.close().catch(() => undefined);
    this.#at = undefined;
  }

  #write(work: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.#over) return;
      try {
        await work();
      } catch (error) {
        this.#onProblem(error as Error, this.#path);
        await this.#remove().catch(() => undefined);
      }
    });
    return this.#writing;
  }

  async #remove(): Promise<void> {
    this.#over = true;
    await rm(`${this.#path}.json`, { force: true });
    await rm(`${this.#path}.at`, { force: true });
    await this.#at?.close();
    this.#at = undefined;
  }
}

export function markSecrets(
  secrets: Readonly<Record<string, string>>,
  salt = randomBytes(16).toString('hex'),
): SecretsMark {
  const entries = Object.entries(secrets).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    salt,
    digest: createHash('sha256')
      .update(`${salt}${JSON.stringify(entries)}`)
      .digest('hex'),
  };
}

const DIGITS = 16;

function encodePlace({ taken, logBytes }: KeptPlace): string {
  const text = [taken, logBytes].map((count) => String(count).padStart(DIGITS, '0')).join(' ');
  return `${text} ${crc32(text).toString(16).padStart(8, '0')}`;
}

function decodePlace(line: string): KeptPlace {
  const [taken = '', logBytes = '', sum] = line.split(' ');
  const place = { taken: Number(taken), logBytes: Number(logBytes) };
  if (crc32(`${taken} ${logBytes}`).toString(16).padStart(8, '0') !== sum) throw new Error('it is torn');
  return place;
}

function decodeFacts(text: string): KeptFacts {
  const { v, ...facts } = JSON.parse(text) as KeptFacts & { readonly v: number };
  if (v !== VERSION) throw new Error(`it has version ${v}, and this is a daemon for ${VERSION}`);
  return facts;
}

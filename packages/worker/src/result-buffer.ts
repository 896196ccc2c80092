/**
 * Results that could not be committed yet, on disk: appended, checksummed, fsynced before `append` resolves, kept over a
 * restart, handed out oldest first. Beyond the size limit the oldest are given up, and whoever owns the buffer is told.
 *
 * One file of lines `crc32 json`, `+` an entry or `-` a removal. Appends that come together share one fsync. When most of
 * the file is dead it is written anew. At opening, a torn last line (power cut in the middle of an append) is dropped and
 * reported; a damaged line in the middle is skipped and reported, and the damaged file is kept beside for a person.
 *
 * When the disk refuses, the results stay in memory and `onProblem` is told: better than losing them.
 */
import { constants } from 'node:fs';
import { copyFile, type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncDirectory, writeFileAtomic } from '@boi/system';

/** What a record must say of itself; the rest is its owner's. */
export interface ResultRecord {
  readonly task: string;
  readonly fence: string;
}

export interface ResultBufferOptions<R extends ResultRecord> {
  readonly path: string;
  /** Of all records kept, as JSON. Default 100 MB. */
  readonly bytesMax?: number;
  /** A record was given up for want of room: it will never be committed from here. */
  readonly onEvict: (record: R) => void;
  /** Torn or damaged lines found, or the disk refused. */
  readonly onProblem: (message: string, error?: Error) => void;
}

const BYTES_MAX = 100_000_000;
/** Below this much of dead lines a rewrite is not worth it. */
const DEAD_BYTES_MIN = 1_048_576;

interface Kept<R> {
  readonly record: R;
  readonly bytes: number;
}

export class ResultBuffer<R extends ResultRecord> {
  readonly #options: ResultBufferOptions<R>;
  readonly #kept = new Map<string, Kept<R>>();
  #bytes = 0;
  #fileBytes = 0;
  #file: FileHandle | undefined;
  #pending: string[] = [];
  #writing: Promise<void> = Promise.resolve();
  /** The next write, not yet begun: what comes now joins it. */
  #joined: Promise<void> | undefined;

  constructor(options: ResultBufferOptions<R>) {
    this.#options = options;
  }

  /** Reads what an earlier life left. Must be awaited before anything else. */
  async open(): Promise<void> {
    const { path } = this.#options;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const { damaged, torn } = this.#load(text);
    if (damaged > 0) {
      const kept = `${path}.damaged`;
      await copyFile(path, kept);
      this.#options.onProblem(`${damaged} damaged lines of ${path} were skipped; the file is kept as ${kept}`);
    }
    if (torn) this.#options.onProblem(`the last line of ${path} was torn by a crash and dropped`);
    await this.#rewrite();
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Records and their bytes as JSON: for the gauge. */
  get size(): { readonly records: number; readonly bytes: number } {
    return { records: this.#kept.size, bytes: this.#bytes };
  }

  /** Resolves when it is on disk (or, if the disk refuses, kept in memory and reported). The same (task, fence) replaces. */
  append(record: R): Promise<void> {
    this.#keep(record);
    this.#evict();
    return this.#write(line('+', record));
  }

  /** Everything kept, oldest first. */
  all(): Promise<readonly R[]> {
    return Promise.resolve([...this.#kept.values()].map((kept) => kept.record));
  }

  /** Committed or superseded: resolves when a restart will not bring it back. */
  remove(task: string, fence: string): Promise<void> {
    if (!this.#drop(keyOf({ task, fence }))) return Promise.resolve();
    return this.#write(line('-', { task, fence }));
  }

  #keep(record: R): void {
    const key = keyOf(record);
    this.#drop(key);
    const bytes = Buffer.byteLength(JSON.stringify(record));
    this.#kept.set(key, { record, bytes });
    this.#bytes += bytes;
  }

  #drop(key: string): boolean {
    this.#bytes -= this.#kept.get(key)?.bytes ?? 0;
    return this.#kept.delete(key);
  }

  #evict(): void {
    const bytesMax = this.#options.bytesMax ?? BYTES_MAX;
    for (const [key, { record }] of this.#kept) {
      if (this.#bytes <= bytesMax) break;
      this.#drop(key);
      this.#pending.push(line('-', record));
      this.#options.onEvict(record);
    }
  }

  /** Lines that come while a write is under way go together in the next. */
  #write(text: string): Promise<void> {
    this.#pending.push(text);
    if (this.#joined !== undefined) return this.#joined;
    this.#joined = this.#writing.then(() => this.#flush());
    this.#writing = this.#joined;
    return this.#joined;
  }

  async #flush(): Promise<void> {
    this.#joined = undefined;
    const bytes = Buffer.from(this.#pending.join(''));
    this.#pending = [];
    try {
      if (this.#fileBytes + bytes.length > 2 * this.#bytes + DEAD_BYTES_MIN || this.#file === undefined) {
        await this.#rewrite();
        return;
      }
      await this.#file.appendFile(bytes);
      await this.#file.datasync();
      this.#fileBytes += bytes.length;
    } catch (error) {
      // What is in the file now is not known: the next write makes it anew, from memory.
      await this.#file?.close().catch(() => undefined);
      this.#file = undefined;
      this.#options.onProblem('results are kept in memory only: the buffer cannot be written', error as Error);
    }
  }

  async #rewrite(): Promise<void> {
    const { path } = this.#options;
    await this.#file?.close();
    this.#file = undefined;
    const text = [...this.#kept.values()].map((kept) => line('+', kept.record)).join('');
    await writeFileAtomic(path, text);
    await syncDirectory(dirname(path));
    this.#file = await open(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW);
    this.#fileBytes = Buffer.byteLength(text);
  }

  #load(text: string): { damaged: number; torn: boolean } {
    const lines = text.split('\n');
    const torn = lines.pop() !== '';
    let damaged = 0;
    for (const one of lines) {
      const parsed = parseLine<R>(one);
      if (parsed === undefined) damaged++;
      else if (parsed.sign === '+') this.#keep(parsed.record);
      else this.#drop(keyOf(parsed.record));
    }
    return { damaged, torn };
  }
}

function keyOf(record: ResultRecord): string {
  return `${record.task} ${record.fence}`;
}

function line(sign: '+' | '-', record: ResultRecord): string {
  const json = JSON.stringify(sign === '+' ? record : { task: record.task, fence: record.fence });
  const body = `${sign}${json}`;
  return `${checksum(body)} ${body}\n`;
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

function parseLine<R extends ResultRecord>(text: string): { sign: '+' | '-'; record: R } | undefined {
  const body = text.slice(9);
  const sign = body[0];
  if ((sign !== '+' && sign !== '-') || text.slice(0, 9) !== `${checksum(body)} `) return undefined;
  try {
    return { sign, record: JSON.parse(body.slice(1)) as R };
  } catch {
    return undefined;
  }
}

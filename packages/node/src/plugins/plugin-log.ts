/**
 * What a plugin wrote, in a file of its own beside the logs of tasks: `<data-dir>/logs/plugins/<name>.log`, one line each with
 * time and stream. The file is moved aside to `<name>.log.1` when it is full, over the one that was there: a plugin takes at
 * most twice {@link FILE_BYTES_MAX} of the disk.
 *
 * The plugin never waits for the disk: lines queue in memory up to {@link PENDING_BYTES_MAX}, beyond that they are counted and
 * left out, as they are while the disk refuses them. What is read is what is on the disk.
 */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const FILE_BYTES_MAX = 4 * 1_048_576;
const PENDING_BYTES_MAX = 1_048_576;
const CHUNK_BYTES = 65_536;

export const pluginLogFile = (dataDir: string, plugin: string) => join(dataDir, 'logs', 'plugins', `${plugin}.log`);

export interface PluginLogOptions {
  readonly path: string;
  /** Wall clock, for the time of each line. */
  readonly now: () => number;
  readonly onProblem: (error: unknown) => void;
  /** Default {@link FILE_BYTES_MAX}. */
  readonly bytesMax?: number;
}

export class PluginLog {
  readonly #options: PluginLogOptions;
  #pending: string[] = [];
  #pendingBytes = 0;
  #dropped = 0;
  #writing: Promise<void> | undefined;
  #file: FileHandle | undefined;
  #size = 0;
  #closed = false;
  #troubled = false;
  readonly #followers = new Set<() => void>();

  constructor(options: PluginLogOptions) {
    this.#options = options;
  }

  /** `stream`: stdout or stderr; `boi` for what the node says of the plugin. */
  write(stream: 'stdout' | 'stderr' | 'boi', text: string): void {
    if (this.#closed) return;
    const line = `${new Date(this.#options.now()).toISOString()} ${stream} ${text}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#pendingBytes + bytes > PENDING_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    this.#pending.push(line);
    this.#pendingBytes += bytes;
    this.#writing ??= this.#write();
  }

  /** Resolves when all that was written is on the disk, or given up. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
    for (const wake of [...this.#followers]) wake();
  }

  /**
   * From the last `tailBytes` on, cut at the beginning of a line; with `follow` until the signal aborts or the log is closed.
   * What is moved aside while it is being followed is read to its end first.
   */
  async *read({ tailBytes, follow, signal }: PluginLogQuery): AsyncGenerator<Buffer> {
    let file = await openIfThere(this.#options.path);
    let next: FileHandle | undefined;
    try {
      let position = file === undefined ? 0 : await lineStart(file, tailBytes);
      for (;;) {
        signal.throwIfAborted();
        const grown = this.#grown(signal);
        const chunk = file === undefined ? undefined : await readAt(file, position);
        if (chunk !== undefined) {
          position += chunk.length;
          yield chunk;
        } else if (next !== undefined) {
          await file?.close();
          file = next;
          next = undefined;
          position = 0;
        } else {
          // Once there is another, the old one grows no more; what it has got since it was last looked at comes first.
          next = await replacement(this.#options.path, file);
          if (next !== undefined) continue;
          if (!follow || this.#closed) return;
          await grown;
        }
      }
    } finally {
      await file?.close();
      await next?.close();
    }
  }

  /** Resolves at the next write, at the end, or when the signal aborts. */
  #grown(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#followers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#followers.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  /** Until nothing is pending. Never rejects. */
  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const lines = this.#pending;
      if (this.#dropped > 0)
        lines.push(`${new Date(this.#options.now()).toISOString()} boi (${this.#dropped} lines left out)\n`);
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#dropped = 0;
      const data = Buffer.from(lines.join(''));
      try {
        await this.#append(data);
        this.#troubled = false;
      } catch (error) {
        this.#dropped += lines.length;
        await this.#file?.close().catch(() => undefined);
        this.#file = undefined;
        // Once, not for each line.
        if (!this.#troubled) this.#options.onProblem(error);
        this.#troubled = true;
      }
      for (const wake of [...this.#followers]) wake();
    }
    this.#writing = undefined;
  }

  async #append(data: Buffer): Promise<void> {
    const { path, bytesMax = FILE_BYTES_MAX } = this.#options;
    if (this.#file === undefined) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      this.#file = await open(path, 'a', 0o600);
      this.#size = (await this.#file.stat()).size;
    }
    if (this.#size > 0 && this.#size + data.length > bytesMax) {
      await this.#file.close();
      this.#file = undefined;
      await rename(path, `${path}.1`);
      this.#file = await open(path, 'a', 0o600);
      this.#size = 0;
    }
    await this.#file.appendFile(data);
    this.#size += data.length;
  }
}

export interface PluginLogQuery {
  readonly tailBytes: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Where the first whole line of the last `tailBytes` begins. */
async function lineStart(file: FileHandle, tailBytes: number): Promise<number> {
  const { size } = await file.stat();
  const from = Math.max(0, size - tailBytes);
  if (from === 0 || from === size) return from;
  const { bytesRead, buffer } = await file.read(
    Buffer.alloc(Math.min(CHUNK_BYTES, size - from + 1)),
    0,
    null,
    from - 1,
  );
  const newline = buffer.subarray(0, bytesRead).indexOf(10);
  return newline === -1 ? from : from + newline;
}

async function readAt(file: FileHandle, position: number): Promise<Buffer | undefined> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
  return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
}

/** The file that is at the path now, if it is another than the open one. */
async function replacement(path: string, present: FileHandle | undefined): Promise<FileHandle | undefined> {
  const found = await openIfThere(path);
  if (found === undefined || present === undefined) return found;
  const [a, b] = [await found.stat(), await present.stat()];
  if (a.ino !== b.ino || a.dev !== b.dev) return found;
  await found.close();
  return undefined;
}

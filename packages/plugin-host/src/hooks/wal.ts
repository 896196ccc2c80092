/**
 * The write-ahead log of one audit trail: segments in a directory, appended to, fsynced in groups, trimmed from the front.
 *
 * A group is what came while the group before was on its way to the disk: one write, one fsync, however many. `append` resolves
 * when the record is on the disk. Only the last segment can end in a torn record (the host died in the middle of a group that
 * nobody was told of): it is cut off, and told. Damage anywhere else is bit rot or a foreign hand: the log refuses to open,
 * since going on would be the silent gap that an audit must not have.
 *
 * After a write that failed (disk full) the segment is cut back to its last good record; if even that fails the log is broken
 * and refuses everything.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BoiError } from '@boi/core';
import { syncDirectory } from '@boi/system';
import { decodeRecords, encodeRecord, type WalRecord } from './wal-format.ts';

/** Small enough that trimming keeps up, large enough that a segment is no event. */
export const SEGMENT_BYTES_MAX = 1_048_576;

/** Where a record lies: for trimming. */
export type SegmentNumber = number;

export interface WalContent {
  readonly records: readonly { readonly record: WalRecord; readonly segment: SegmentNumber }[];
  /** Bytes cut off from the end of the last segment. */
  readonly tornBytes: number;
}

/** A record that is made at the moment it is written, so that numbers in it follow the order on the disk. */
export interface Entry {
  make(): WalRecord;
  /** The group was not written: gives back what `make` took. Called before anything else is made. */
  undo?(): void;
}

interface Pending extends Entry {
  resolve(segment: SegmentNumber): void;
  reject(error: Error): void;
}

export class WriteAheadLog {
  readonly #directory: string;
  readonly #segmentBytesMax: number;
  readonly #opening: () => WalRecord;
  #segments: SegmentNumber[] = [];
  #file: FileHandle | undefined;
  #fileBytes = 0;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  #broken: BoiError | undefined;

  /** `opening` makes the first record of each segment. */
  constructor(directory: string, opening: () => WalRecord, segmentBytesMax = SEGMENT_BYTES_MAX) {
    this.#directory = directory;
    this.#opening = opening;
    this.#segmentBytesMax = segmentBytesMax;
  }

  /** Reads what an earlier life left, repairs a torn end. Must be awaited before anything else. */
  async open(): Promise<WalContent> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const names = (await readdir(this.#directory)).filter((name) => /^\d{16}\.wal$/.test(name)).sort();
    const records: { record: WalRecord; segment: SegmentNumber }[] = [];
    let tornBytes = 0;
    for (const name of names) {
      const segment = Number(name.slice(0, 16));
      const bytes = await readFile(join(this.#directory, name));
      const { records: found, goodBytes } = decodeRecords(bytes);
      if (goodBytes < bytes.length) {
        if (name !== names.at(-1)) throw this.#damaged(name, goodBytes, bytes.length);
        tornBytes = bytes.length - goodBytes;
      }
      records.push(...found.map((record) => ({ record, segment })));
      this.#segments.push(segment);
      if (name === names.at(-1)) await this.#resume(segment, goodBytes, tornBytes > 0);
    }
    return { records, tornBytes };
  }

  /** Resolves with the record's segment when it is on the disk. Records are written in the order of the calls. */
  append(entry: Entry): Promise<SegmentNumber> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#pending.push({ make: entry.make, undo: () => entry.undo?.(), resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  /** Removes the segments before `segment`: nothing in them is needed. The one in use always stays. */
  async trimBefore(segment: SegmentNumber): Promise<void> {
    while (this.#segments.length > 1 && (this.#segments[0] as SegmentNumber) < segment) {
      const oldest = this.#segments.shift() as SegmentNumber;
      await unlink(this.#path(oldest)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
  }

  /** Waits for what was appended, then closes. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  /** The segment being written. */
  get current(): SegmentNumber {
    return this.#segments.at(-1) ?? 0;
  }

  async #resume(segment: SegmentNumber, goodBytes: number, isTorn: boolean): Promise<void> {
    this.#file = await open(this.#path(segment), constants.O_RDWR);
    this.#fileBytes = goodBytes;
    if (isTorn) {
      await this.#file.truncate(goodBytes);
      await this.#file.sync();
    }
  }

  async #writeAll(): Promise<void> {
    // What is appended in the same turn belongs to the first group.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const group = this.#pending;
      this.#pending = [];
      let made = 0;
      try {
        await this.#prepareSegment();
        const records = group.map((entry) => {
          made++;
          return entry.make();
        });
        await this.#write(Buffer.concat(records.map(encodeRecord)));
        for (const { resolve } of group) resolve(this.current);
      } catch (error) {
        const failed = new BoiError('unavailable', `the audit log in ${this.#directory} cannot be written`, {
          cause: error,
        });
        for (const entry of group.slice(0, made)) entry.undo?.();
        await this.#cutBack();
        for (const { reject } of group) reject(failed);
      }
    }
    this.#writing = undefined;
  }

  /** A segment to write to, with its first record. */
  async #prepareSegment(): Promise<void> {
    if (this.#file === undefined || this.#fileBytes >= this.#segmentBytesMax) await this.#rotate();
    // Also where the write of that record failed, or everything was torn.
    if (this.#fileBytes === 0) {
      await this.#write(encodeRecord(this.#opening()));
      await syncDirectory(this.#directory);
    }
  }

  async #rotate(): Promise<void> {
    const next = this.current + 1;
    const file = await open(this.#path(next), 'wx', 0o600);
    await this.#file?.close();
    this.#file = file;
    this.#fileBytes = 0;
    this.#segments.push(next);
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = this.#file as FileHandle;
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await file.write(bytes, done, bytes.length - done, this.#fileBytes + done);
      done += bytesWritten;
    }
    await file.datasync();
    this.#fileBytes += bytes.length;
  }

  async #cutBack(): Promise<void> {
    try {
      await this.#file?.truncate(this.#fileBytes);
      await this.#file?.sync();
    } catch (error) {
      this.#broken = new BoiError('unavailable', `the audit log in ${this.#directory} is broken; restart the node`, {
        cause: error,
      });
    }
  }

  #damaged(name: string, at: number, of: number): BoiError {
    return new BoiError(
      'unavailable',
      `the audit log ${join(this.#directory, name)} is damaged at byte ${at} of ${of}; restore it, or move the folder away to begin a new one`,
    );
  }

  #path(segment: SegmentNumber): string {
    return join(this.#directory, `${String(segment).padStart(16, '0')}.wal`);
  }
}

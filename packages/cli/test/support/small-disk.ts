/**
 * A directory whose disk gets full when told. With the right to mount it is a small tmpfs of its own: writes fail with
 * ENOSPC, as on a host whose disk is full. Without (an ordinary user, a container), the same is done to one process by the
 * kernel's limit on file sizes: its writes fail with EFBIG. `kind` says which, and the test prints it.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEBIBYTES = 4;

export class SmallDisk {
  readonly path: string;
  readonly kind: 'tmpfs' | 'file size limit';

  private constructor(path: string, kind: SmallDisk['kind']) {
    this.path = path;
    this.kind = kind;
  }

  static make(): SmallDisk {
    const path = mkdtempSync(join(tmpdir(), 'boi-small-disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${MEBIBYTES}m`, 'tmpfs', path], { stdio: 'pipe' });
      return new SmallDisk(path, 'tmpfs');
    } catch {
      return new SmallDisk(path, 'file size limit');
    }
  }

  get dataDir(): string {
    const dir = join(this.path, 'data');
    mkdirSync(dir, { recursive: true });
    return dir;
  }

  /** Nothing more can be written: on the disk, or by that process. */
  fill(pid: number): void {
    if (this.kind === 'file size limit') {
      execFileSync('prlimit', ['--pid', String(pid), '--fsize=0:']);
      return;
    }
    const file = openSync(join(this.path, 'filler'), 'a');
    try {
      for (let bytes = 65_536; bytes >= 1; ) {
        try {
          writeSync(file, Buffer.alloc(bytes));
        } catch {
          bytes = Math.floor(bytes / 2);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  free(pid: number): void {
    if (this.kind === 'file size limit') execFileSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:']);
    else rmSync(join(this.path, 'filler'), { force: true });
  }

  remove(): void {
    if (this.kind === 'tmpfs') execFileSync('umount', [this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

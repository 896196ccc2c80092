/**
 * The node's session on disk: `session.json` in the data directory, for the next daemon on it. That one holds the directory's lock, so
 * the daemon that wrote the file is dead; but only if it is the same directory of the same running system, and no copy of it, beside
 * which the original may well live. So the file says which directory it is in and which boot wrote it.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SessionMemory } from '@boi/cluster';
import { writeFileAtomic } from '@boi/system';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

export class SessionFile implements SessionMemory {
  readonly #dataDir: string;

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  /** What cannot be read tells nothing: the end of that session is waited for. */
  async read(): Promise<string | undefined> {
    try {
      const noted = JSON.parse(await readFile(this.#path, 'utf8')) as { epoch?: unknown; place?: unknown };
      return typeof noted.epoch === 'string' && noted.place === (await this.#place()) ? noted.epoch : undefined;
    } catch {
      return undefined;
    }
  }

  async write(epoch: string): Promise<void> {
    const text = `${JSON.stringify({ epoch, place: await this.#place() })}\n`;
    await writeFileAtomic(this.#path, text, { mode: 0o600 });
  }

  get #path(): string {
    return join(this.#dataDir, 'session.json');
  }

  async #place(): Promise<string> {
    const { dev, ino } = await stat(this.#dataDir);
    return `${(await readFile(BOOT_ID, 'utf8')).trim()} ${dev} ${ino}`;
  }
}

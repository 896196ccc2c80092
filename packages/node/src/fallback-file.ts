/**
 * Local fallback on disk: `local-fallback.jsonl` in the data directory. Its first line says since when, each further one a
 * task or result the node held. The file is there while it is on; for a node that starts, its first line is what counts.
 */
import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FallbackFile, FallbackLine, FallbackNote } from '@boi/cluster';
import { syncDirectory, writeFileAtomic } from '@boi/system';

export class StoredFallback implements FallbackFile {
  readonly #path: string;
  /** Wall clock; stands for a first line that cannot be read: a damaged file does not put the node to work. */
  readonly #now: () => number;

  constructor(dataDir: string, now: () => number) {
    this.#path = join(dataDir, 'local-fallback.jsonl');
    this.#now = now;
  }

  async read(): Promise<FallbackNote | undefined> {
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    try {
      const first: unknown = JSON.parse(text.slice(0, text.indexOf('\n')));
      const since = (first as { since?: unknown } | null)?.since;
      if (typeof since === 'number' && Number.isSafeInteger(since) && since >= 0) return { since };
    } catch {
      // Not ours any more, but it is there.
    }
    return { since: this.#now() };
  }

  async write(note: FallbackNote, lines: readonly FallbackLine[]): Promise<void> {
    const all = [{ kind: 'fallback', since: note.since }, ...lines];
    await writeFileAtomic(this.#path, all.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600 });
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
    await syncDirectory(dirname(this.#path));
  }
}

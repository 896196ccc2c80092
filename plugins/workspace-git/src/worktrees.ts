/**
 * The worktrees of this host. Each has a note beside it (`KEY.json`), written once the worktree is whole: a folder without a note
 * is what a crash left, and made anew. A kept worktree has a note that says so and stays until a cleanup without `keep`, or until its time is over.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Refusal, type workspace } from '@boi/plugin-sdk';
import { Mirror } from './mirror.ts';

interface Note {
  readonly taskId: string;
  readonly fence: string;
  readonly source: string;
  readonly commit: string;
  readonly kept: boolean;
}

/** Between looks for what was kept too long. */
const SWEEP_EVERY_MS = 3_600_000;

export class Worktrees {
  readonly #root: string;
  readonly #allow: readonly string[];
  readonly #keepMs: number;
  #sweptMs = 0;
  readonly #mirrors = new Map<string, Mirror>();
  readonly #turns = new Map<string, Promise<unknown>>();

  /** `allow`: prefixes of sources that may be used. Empty: all. `keepMs`: what was kept goes after so long. Default: never. */
  constructor(root: string, allow: readonly string[], keepMs = Number.POSITIVE_INFINITY) {
    this.#root = resolve(root);
    this.#allow = allow;
    this.#keepMs = keepMs;
  }

  async prepare(request: workspace.PrepareRequest__Output): Promise<workspace.PrepareResponse> {
    const { taskId, fence, source, ref } = request;
    const key = keyOf(taskId, fence);
    this.#checkSource(source);
    if (ref.startsWith('-') || /[\s~^:?*[\\]|\.\.|@\{/.test(ref))
      throw new Refusal('invalid-argument', 'ref must be a branch, tag or commit');
    const [unknown] = Object.keys(request.options);
    if (unknown !== undefined) throw new Refusal('invalid-argument', `options has ${unknown}, which is not known`);
    if (Date.now() - this.#sweptMs > SWEEP_EVERY_MS) void this.#sweep().catch(complain);
    return this.#inTurn(key, async () => {
      const path = this.#path(key);
      const note = await this.#note(key);
      if (note !== undefined && existsSync(path)) return answer(path, note, true);
      const mirror = this.#mirror(source);
      const commit = await mirror.resolve(ref);
      await mkdir(join(this.#root, 'work'), { recursive: true, mode: 0o700 });
      await mirror.removeWorktree(path);
      await mirror.addWorktree(path, commit);
      const fresh: Note = { taskId, fence, source, commit, kept: false };
      await this.#write(key, fresh);
      return answer(path, fresh, false);
    });
  }

  async cleanup({
    taskId,
    fence,
    keep,
    pushBranch,
  }: workspace.CleanupRequest__Output): Promise<workspace.CleanupResponse> {
    const key = keyOf(taskId, fence);
    if (pushBranch !== '' && !/^[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$/.test(pushBranch))
      throw new Refusal('invalid-argument', 'push_branch must be the name of a branch');
    return this.#inTurn(key, async () => {
      const path = this.#path(key);
      const note = await this.#note(key);
      if (note === undefined) {
        await rm(path, { recursive: true, force: true });
        return { existed: false, keptPath: '', pushedVersion: '' };
      }
      const mirror = this.#mirror(note.source);
      let pushedVersion = '';
      if (pushBranch !== '') {
        pushedVersion = await mirror.push(path, pushBranch, { taskId, fence }).catch(async (error: unknown) => {
          await this.#write(key, { ...note, kept: true });
          throw new Refusal('aborted', `kept in ${path}, since it could not be pushed: ${(error as Error).message}`);
        });
      }
      if (keep) {
        await this.#write(key, { ...note, kept: true });
        return { existed: true, keptPath: path, pushedVersion };
      }
      await mirror.removeWorktree(path);
      await rm(this.#notePath(key), { force: true });
      return { existed: true, keptPath: '', pushedVersion };
    });
  }

  async list(): Promise<workspace.ListedWorkspace[]> {
    const names = await readdir(join(this.#root, 'work')).catch(() => []);
    const keys = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
    const all = await Promise.all(keys.map(async (key) => ({ note: await this.#note(key), path: this.#path(key) })));
    return all.flatMap(({ note, path }) =>
      note === undefined ? [] : [{ taskId: note.taskId, fence: note.fence, path, kept: note.kept }],
    );
  }

  /** Removes what was kept long ago: a fleet whose work fails would fill the disk. */
  async #sweep(): Promise<void> {
    this.#sweptMs = Date.now();
    for (const { taskId, fence } of (await this.list()).filter(({ kept }) => kept)) {
      const key = keyOf(`${taskId}`, `${fence}`);
      await this.#inTurn(key, async () => {
        const note = await this.#note(key);
        const written = await stat(this.#notePath(key)).catch(() => undefined);
        if (note?.kept !== true || written === undefined || Date.now() - written.mtimeMs < this.#keepMs) return;
        await this.#mirror(note.source).removeWorktree(this.#path(key));
        await rm(this.#notePath(key), { force: true });
      });
    }
  }

  #checkSource(source: string): void {
    if (source === '' || source.startsWith('-') || source.includes('\0'))
      throw new Refusal('invalid-argument', 'source must be the address of a repository');
    if (this.#allow.length > 0 && !this.#allow.some((prefix) => source.startsWith(prefix)))
      throw new Refusal('failed-precondition', `${source} is not among the allowed sources`);
  }

  #mirror(source: string): Mirror {
    const known = this.#mirrors.get(source) ?? new Mirror(join(this.#root, 'mirrors'), source);
    this.#mirrors.set(source, known);
    return known;
  }

  #path(key: string): string {
    return join(this.#root, 'work', key);
  }

  #notePath(key: string): string {
    return `${this.#path(key)}.json`;
  }

  async #note(key: string): Promise<Note | undefined> {
    return readFile(this.#notePath(key), 'utf8').then(
      (text) => JSON.parse(text) as Note,
      () => undefined,
    );
  }

  async #write(key: string, note: Note): Promise<void> {
    await writeFile(`${this.#notePath(key)}.new`, JSON.stringify(note), { mode: 0o600 });
    await rename(`${this.#notePath(key)}.new`, this.#notePath(key));
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(work);
    this.#turns.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(key) === mine) this.#turns.delete(key);
    }
  }
}

function keyOf(taskId: string, fence: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(taskId)) throw new Refusal('invalid-argument', 'task_id is ill-formed');
  return `${taskId}.${fence}`;
}

function complain(error: unknown): void {
  process.stderr.write(`workspace-git: what was kept too long is not removed: ${String(error)}\n`);
}

function answer(path: string, note: Note, alreadyPrepared: boolean): workspace.PrepareResponse {
  return {
    path,
    version: note.commit,
    alreadyPrepared,
    env: { BOI_GIT_COMMIT: note.commit, BOI_GIT_SOURCE: note.source },
  };
}

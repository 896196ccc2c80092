/**
 * A bare repository that caches one source. Its branches are kept apart from what tasks commit (`refs/remotes/origin/…`), so that
 * fetching never touches a worktree. Work on the repository itself is done one at a time; checkouts run in parallel.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Refusal } from '@boi/plugin-sdk';
import { GitError, git } from './git.ts';

export interface Claim {
  readonly taskId: string;
  /** Decimal. */
  readonly fence: string;
}

export class Mirror {
  readonly source: string;
  readonly directory: string;
  #turn: Promise<unknown> = Promise.resolve();
  /** A fetch that is under way serves everyone who asked before it began. */
  #nextFetch: Promise<void> | undefined;

  constructor(root: string, source: string) {
    this.source = source;
    this.directory = join(root, `${createHash('sha256').update(source).digest('hex').slice(0, 24)}.git`);
  }

  /** The commit that `ref` (empty: the default branch) stands for now. */
  async resolve(ref: string): Promise<string> {
    try {
      await this.#fetched();
      const names =
        ref === '' ? ['refs/remotes/origin/HEAD'] : [`refs/remotes/origin/${ref}`, `refs/tags/${ref}`, ...hash(ref)];
      for (const name of names) {
        const commit = await git(
          this.directory,
          'rev-parse',
          '--verify',
          '--quiet',
          '--end-of-options',
          `${name}^{commit}`,
        ).catch(() => '');
        if (commit !== '') return commit;
      }
    } catch (error) {
      if (error instanceof GitError) throw new Refusal('failed-precondition', error.message);
      throw error;
    }
    throw new Refusal(
      'failed-precondition',
      `${this.source} has no ${ref === '' ? 'default branch' : `branch, tag or commit ${ref}`}`,
    );
  }

  async addWorktree(path: string, commit: string): Promise<void> {
    await this.#alone(() =>
      git(this.directory, 'worktree', 'add', '--detach', '--no-checkout', '--force', path, commit),
    );
    await git(path, 'reset', '--hard', '--quiet');
  }

  async removeWorktree(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true });
    if (existsSync(this.directory)) await this.#alone(() => git(this.directory, 'worktree', 'prune'));
  }

  /**
   * Pushes what is checked out at `path`; returns the commit. With it goes a mark, `refs/boi/TASK/FENCE`: a branch whose tip an
   * earlier claim of the task pushed is replaced, since that claim was lost and the task ran again; what anybody else pushed
   * never is. A mark of a later claim means that this one was taken away.
   */
  async push(path: string, branch: string, { taskId, fence }: Claim): Promise<string> {
    const commit = await git(path, 'rev-parse', 'HEAD');
    const head = `refs/heads/${branch}`;
    const marks = `refs/boi/${taskId}/`;
    const listed = await git(path, 'ls-remote', this.source, head, `${marks}*`);
    const refs = new Map(listed.split('\n').map((line) => line.split('\t').reverse() as [string, string]));
    const earlier = [...refs].filter(([ref]) => ref.startsWith(marks) && ref !== `${marks}${fence}`);
    const later = earlier.find(([ref]) => BigInt(ref.slice(marks.length)) > BigInt(fence));
    if (later !== undefined)
      throw new GitError(['push'], `the fence is stale: ${later[0]} was pushed by a later claim`);
    const tip = refs.get(head);
    const isOwn = tip !== undefined && [...refs].some(([ref, hash]) => ref.startsWith(marks) && hash === tip);
    const lease = isOwn ? [`--force-with-lease=${head}:${tip}`] : [];
    const pushed = [`${commit}:${head}`, `+${commit}:${marks}${fence}`, ...earlier.map(([ref]) => `:${ref}`)];
    await git(path, 'push', '--quiet', '--atomic', ...lease, this.source, ...pushed);
    return commit;
  }

  #fetched(): Promise<void> {
    this.#nextFetch ??= this.#alone(async () => {
      this.#nextFetch = undefined;
      await this.#create();
      const refs = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
      await git(this.directory, 'fetch', '--prune', '--no-auto-gc', '--quiet', 'origin', ...refs);
      await git(this.directory, 'remote', 'set-head', 'origin', '--auto').catch(() => undefined);
    });
    return this.#nextFetch;
  }

  /** Under another name until it is whole, so that a crash leaves no half mirror. */
  async #create(): Promise<void> {
    if (existsSync(this.directory)) return;
    const half = `${this.directory}.new`;
    await rm(half, { recursive: true, force: true });
    await mkdir(half, { recursive: true });
    await git(half, 'init', '--bare', '--quiet');
    await git(half, 'remote', 'add', '--', 'origin', this.source);
    await rename(half, this.directory);
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.catch(() => undefined).then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}

function hash(ref: string): string[] {
  return /^[0-9a-f]{7,64}$/.test(ref) ? [ref] : [];
}

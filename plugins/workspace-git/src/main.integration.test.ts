import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Worktrees } from './worktrees.ts';

let directory: string;
let source: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-git-'));
  source = join(directory, 'source');
  execFileSync('git', ['init', '--quiet', '--initial-branch=main', source]);
  commit('first');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@localhost', ...args], { cwd, encoding: 'utf8' }).trim();
const commit = (text: string, cwd = source) => {
  writeFileSync(join(cwd, 'file'), text);
  git(cwd, 'add', '.');
  git(cwd, 'commit', '--quiet', '-m', text);
  return git(cwd, 'rev-parse', 'HEAD');
};
const worktrees = () => new Worktrees(join(directory, 'root'), []);
const request = (taskId: string, more: object = {}) => ({
  taskId,
  fence: '1',
  projectId: 'p',
  source,
  ref: '',
  options: {},
  ...more,
});
const cleanup = (taskId: string, more: object = {}) => ({ taskId, fence: '1', keep: false, pushBranch: '', ...more });

describe('workspace-git', () => {
  test('conforms, 20 worktrees in parallel included, and leaves only the mirror', async () => {
    const program = await bundleProgram(join(import.meta.dirname, 'main.ts'));
    const args = [program, '--root', join(directory, 'root')];
    const results = await runConformance({ plugin: { kind: 'workspace', command: process.execPath, args }, source });
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(await readdir(join(directory, 'root', 'work'))).toEqual([]);
  });

  test('has what a branch, a tag, a commit or the default branch stand for now', async () => {
    const trees = worktrees();
    const first = git(source, 'rev-parse', 'HEAD');
    git(source, 'tag', 'v1');
    const content = async (taskId: string, ref: string) =>
      readFileSync(join((await trees.prepare(request(taskId, { ref }))).path as string, 'file'), 'utf8');
    expect(await content('a', '')).toBe('first');
    git(source, 'checkout', '--quiet', '-b', 'other');
    commit('second');
    expect(await content('b', 'other')).toBe('second');
    expect(await content('c', 'v1')).toBe('first');
    expect(await content('d', first)).toBe('first');
    expect(await trees.prepare(request('e', { ref: 'other' }))).toMatchObject({
      version: git(source, 'rev-parse', 'other'),
      env: { BOI_GIT_COMMIT: git(source, 'rev-parse', 'other') },
    });
  });

  test('pushes what the task committed to a branch', async () => {
    const trees = worktrees();
    const { path = '' } = await trees.prepare(request('a'));
    const made = commit('made by the task', path);
    expect(await trees.cleanup(cleanup('a', { pushBranch: 'boi/result' }))).toEqual({
      existed: true,
      keptPath: '',
      pushedVersion: made,
    });
    expect(git(source, 'rev-parse', 'boi/result')).toBe(made);
    expect(existsSync(path)).toBe(false);
  });

  test('keeps the worktree when the push fails, and pushes at the next call', async () => {
    const trees = worktrees();
    const { path = '' } = await trees.prepare(request('a'));
    const made = commit('made by the task', path);
    const hook = join(source, '.git/hooks/pre-receive');
    writeFileSync(hook, '#!/bin/sh\nexit 1\n');
    await chmod(hook, 0o755);
    await expect(trees.cleanup(cleanup('a', { pushBranch: 'result' }))).rejects.toMatchObject({ kind: 'aborted' });
    expect(await trees.list()).toMatchObject([{ taskId: 'a', path, kept: true }]);
    await rm(hook);
    expect((await worktrees().cleanup(cleanup('a', { pushBranch: 'result' }))).pushedVersion).toBe(made);
    expect(existsSync(path)).toBe(false);
  });

  test('replaces what an earlier claim of the same task pushed, and nothing else', async () => {
    const trees = worktrees();
    const work = async (taskId: string, fence: string, text: string) => {
      const { path = '' } = await trees.prepare(request(taskId, { fence }));
      return commit(text, path);
    };
    const push = (taskId: string, fence: string) => trees.cleanup(cleanup(taskId, { fence, pushBranch: 'result' }));
    await work('a', '5', 'lost with its node');
    await work('a', '7', 'the one that counts');
    const again = await work('a', '9', 'ran again');
    await push('a', '7');
    await expect(push('a', '5')).rejects.toThrow(/stale/);
    expect((await push('a', '9')).pushedVersion).toBe(again);
    expect(git(source, 'for-each-ref', '--format=%(refname)', 'refs/boi')).toBe('refs/boi/a/9');
    await work('b', '11', 'of another task');
    await expect(push('b', '11')).rejects.toMatchObject({ kind: 'aborted' });
    git(
      source,
      'branch',
      '--force',
      'result',
      git(source, 'commit-tree', '-p', again, '-m', 'by hand', `${again}^{tree}`),
    );
    await work('a', '13', 'ran once more');
    await expect(push('a', '13')).rejects.toMatchObject({ kind: 'aborted' });
  });

  test('keeps one on request until it is cleaned up, also over a restart', async () => {
    const { path = '' } = await worktrees().prepare(request('a'));
    expect(await worktrees().cleanup(cleanup('a', { keep: true }))).toMatchObject({ keptPath: path });
    expect(existsSync(join(path, 'file'))).toBe(true);
    await worktrees().cleanup(cleanup('a'));
    expect(existsSync(path)).toBe(false);
  });

  test('removes what was kept when its time is over', async () => {
    const day = 86_400_000;
    const trees = new Worktrees(join(directory, 'root'), [], 7 * day);
    const kept = async (taskId: string, daysAgo: number) => {
      const { path = '' } = await trees.prepare(request(taskId));
      await trees.cleanup(cleanup(taskId, { keep: true }));
      const then = new Date(Date.now() - daysAgo * day);
      await utimes(`${path}.json`, then, then);
      return path;
    };
    const [old, young] = [await kept('old', 8), await kept('young', 6)];
    await new Worktrees(join(directory, 'root'), [], 7 * day).prepare(request('next'));
    await expect.poll(() => existsSync(`${old}.json`), { timeout: 10_000 }).toBe(false);
    expect([existsSync(old), existsSync(join(young, 'file'))]).toEqual([false, true]);
  });

  test('makes anew what a crash left half', async () => {
    const trees = worktrees();
    const { path = '' } = await trees.prepare(request('a'));
    await rm(`${path}.json`);
    await rm(join(path, 'file'));
    expect((await worktrees().prepare(request('a'))).alreadyPrepared).toBe(false);
    expect(readFileSync(join(path, 'file'), 'utf8')).toBe('first');
  });

  test.each([
    ['source', '--upload-pack=touch /tmp/x'],
    ['source', 'ext::sh -c "touch /tmp/x"'],
    ['ref', '--output=/tmp/x'],
    ['ref', 'main:file'],
    ['taskId', '../x'],
  ])('refuses the %s %j', async (field, value) => {
    await expect(worktrees().prepare(request('a', { [field]: value }))).rejects.toMatchObject({ name: 'Refusal' });
  });

  test('uses only sources that are allowed', async () => {
    const trees = new Worktrees(join(directory, 'root'), ['https://git.example/']);
    await expect(trees.prepare(request('a'))).rejects.toMatchObject({ kind: 'failed-precondition' });
  });
});

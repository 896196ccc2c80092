/**
 * The fleet of agents on three real nodes over a real etcd: what is left is a git history, and it is the same when a node is
 * killed under an agent. Tasks that ask for a plugin that no node has wait, and say why.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { FsckReport, TaskView } from '@boi/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Lab } from './lab.ts';

const here = join(import.meta.dirname, 'agents');
const PLUGIN = join(import.meta.dirname, '../plugins/workspace-git/dist/main.js');
const JOBS = ['slugify', 'wrap', 'initials', 'title-case', 'loud', 'polite'];
const PASSED = JOBS.filter((job) => job !== 'title-case');

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start(async (dataDir) => {
    await mkdir(join(dataDir, 'plugins'), { recursive: true, mode: 0o700 });
    const args = [PLUGIN, '--root', join(dataDir, 'git')];
    const settings = JSON.stringify({ kind: 'workspace', command: process.execPath, args });
    await writeFile(join(dataDir, 'plugins/git.json'), settings, { mode: 0o600 });
  });
});
afterAll(() => lab?.stop());

function makeRepository(name: string): string {
  const repository = join(lab.dir, `${name}.git`);
  execFileSync(join(here, 'make-repository.sh'), [repository]);
  return repository;
}

const dispatch = (repository: string, ...more: string[]) => [
  ...['spec', 'dispatch', join(here, 'spec.yaml'), '--set', `repository=${repository}`],
  ...more.flatMap((pair) => ['--set', pair]),
];
const gitAt = (directory: string, ...args: string[]) =>
  execFileSync('git', args, { cwd: directory, encoding: 'utf8' }).trim();

async function tasksOf(spec: string): Promise<TaskView[]> {
  return JSON.parse((await lab.boi('task', 'list', spec, '-o', 'json')).stdout) as TaskView[];
}

/** What the repository must hold, whatever happened on the way. */
async function expectHistory(repository: string, spec: string): Promise<void> {
  const git = (...args: string[]) => gitAt(repository, ...args);
  expect(git('for-each-ref', '--format=%(refname:short)', 'refs/heads/').split('\n')).toEqual(
    ['main', 'agents/merged', ...PASSED.map((job) => `agents/${job}`)].sort(),
  );
  // One commit of each agent that passed, on top of what it was given.
  for (const job of PASSED) expect(git('log', '--format=%s', `main..agents/${job}`)).toBe(job);
  expect(git('log', '--first-parent', '--reverse', '--format=%s', 'main..agents/merged').split('\n')).toEqual(
    PASSED.filter((job) => job !== 'polite').map((job) => `Merge agents/${job}`),
  );
  // The commits name the tasks whose results count.
  const tasks = await tasksOf(spec);
  for (const { ref, id } of tasks.filter(({ ref, state }) => ref.startsWith('agent[') && state === 'succeeded')) {
    const job = ref.slice('agent[job='.length, -1);
    expect(git('log', '-1', '--format=%b', `agents/${job}`)).toContain(id);
  }
  const merge = tasks.find(({ ref }) => ref === 'merge');
  expect(merge?.state).toBe('succeeded');
  const log = (await lab.boi('task', 'tail', merge?.id as string)).stdout;
  expect(log).toContain(readFileSync(join(here, 'expected.txt'), 'utf8'));
  // The tests of all that was merged pass in a clone that knows nothing of this.
  const clone = `${repository}.clone`;
  gitAt(lab.dir, 'clone', '--quiet', '--branch', 'agents/merged', repository, clone);
  execFileSync(process.execPath, ['--test'], { cwd: clone, stdio: 'ignore' });
}

async function expectInOrder(): Promise<void> {
  const { stdout } = await lab.boi('cluster', 'fsck', '-o', 'json');
  expect((JSON.parse(stdout) as FsckReport).findings).toEqual([]);
}

describe('a fleet of agents, on three nodes and a real etcd', () => {
  test('leaves branches of what passed, and a merge of what goes together', { timeout: 120_000 }, async () => {
    const repository = makeRepository('peace');
    const { code, stdout, stderr } = await lab.boi(...dispatch(repository), '--wait');
    // One agent failed, so the spec did.
    expect(code, stderr).toBe(1);
    const spec = stdout.trim();
    await expectHistory(repository, spec);
    const failed = (await tasksOf(spec)).filter(({ state }) => state === 'failed');
    expect(failed.map(({ ref }) => ref)).toEqual(['agent[job=title-case]']);
    const shown = (await lab.boi('task', 'show', failed[0]?.id as string)).stdout;
    const kept = /kept on this node: (\S+)/.exec(shown)?.[1] as string;
    expect(existsSync(join(kept, 'src/title-case.js')), shown).toBe(true);
    await expectInOrder();
  });

  test('leaves the same when a node is killed under an agent', { timeout: 120_000 }, async () => {
    const repository = makeRepository('killed');
    const spec = (await lab.boi(...dispatch(repository, 'seconds=3'))).stdout.trim();
    const name = await eventually('an agent works', async () => {
      const tasks = await tasksOf(spec);
      return tasks.find(({ ref, state }) => state === 'running' && ref.startsWith('agent['))?.node?.name;
    });
    await lab.kill(name);
    const { code, stderr } = await lab.boi('spec', 'wait', spec);
    expect(code, stderr).toBe(1);
    await expectHistory(repository, spec);
    await lab.revive(name);
    // What the killed node had prepared is nobody's any more.
    const worktrees = join(lab.dir, name, 'git/work');
    await eventually('its worktrees are gone', async () => {
      const notes = readdirSync(worktrees).filter((file) => file.endsWith('.json'));
      const left = notes.map((file) => JSON.parse(readFileSync(join(worktrees, file), 'utf8')) as { kept: boolean });
      return left.every(({ kept }) => kept) ? true : undefined;
    });
    await expectInOrder();
  });

  test('waits where no node has the plugin, and says so', async () => {
    const spec = join(lab.dir, 'svn.yaml');
    await writeFile(spec, 'tasks: [{ref: it, run: "true", workspace: {source: x, plugin: svn}}]\n');
    const id = (await lab.boi('spec', 'dispatch', spec)).stdout.trim();
    const [task] = await tasksOf(id);
    const { stdout } = await lab.boi('task', 'show', task?.id as string);
    expect(stdout).toContain('3 nodes: 3 lack the workspace plugin svn');
    await lab.boi('spec', 'cancel', id);
  });

  test('is shown by one command', { timeout: 180_000 }, async () => {
    const kept = join(lab.dir, 'shown.git');
    const { stdout } = await promisify(execFile)(join(here, 'run.sh'), ['--keep', kept]);
    expect(stdout).toContain(readFileSync(join(here, 'expected.txt'), 'utf8'));
    expect(stdout).toMatch(/\(agents\/merged\) Merge agents\/loud/);
    expect(gitAt(kept, 'rev-list', '--count', 'main..agents/merged')).toBe('8');
  });
});

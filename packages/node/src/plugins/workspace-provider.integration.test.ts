/** Tasks in worktrees of workspace-git: prepared before them, pushed before their result, gone or kept after them. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Assignment } from '@boi/core';
import { cleanupWorkspace, prepareWorkspace } from '@boi/plugin-host';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assignment, type Change, type TaskBench, taskBench } from './testing/task-bench.ts';

let bench: TaskBench;
let source: string;
beforeEach(async () => {
  bench = await taskBench('workspace', 'workspace-git', (directory) => ['--root', join(directory, 'git')]);
  source = join(bench.lab.directory, 'source');
  execFileSync('git', ['init', '--quiet', '--initial-branch=main', source]);
  git('commit', '--quiet', '--allow-empty', '-m', 'first');
  await bench.supervisor.start();
  bench.plugins.start();
});
afterEach(() => bench.close());

const IDENTITY = {
  GIT_AUTHOR_NAME: 't',
  GIT_AUTHOR_EMAIL: 't@localhost',
  GIT_COMMITTER_NAME: 't',
  GIT_COMMITTER_EMAIL: 't@localhost',
};
const COMMIT = 'echo "$BOI_TASK_ID" >made && git add made && git commit --quiet -m made';
const git = (...args: string[]) =>
  execFileSync('git', args, { cwd: source, encoding: 'utf8', env: { ...process.env, ...IDENTITY } }).trim();
const worktrees = () =>
  readdirSync(join(bench.lab.directory, 'git/work')).filter(
    (name) => name.startsWith('tsk_') && !name.endsWith('.json'),
  );

type Workspace = NonNullable<Assignment['definition']['workspace']>;

function inWorkspace(run: string, workspace: Partial<Workspace> = {}, change: Change = {}): Assignment {
  const definition = { env: IDENTITY, workspace: { source, ...workspace }, ...change.definition };
  return assignment(run, { ...change, definition });
}

function refusePushes(): () => void {
  const hook = join(source, '.git/hooks/pre-receive');
  writeFileSync(hook, '#!/bin/sh\necho "not today" >&2\nexit 1\n', { mode: 0o755 });
  return () => rmSync(hook);
}

describe('a task in a workspace', () => {
  test('has one of its own, among twenty at once, and leaves nothing', async () => {
    const given = Array.from({ length: 20 }, () => inWorkspace(`pwd; test ! -e made; ${COMMIT}; git log --oneline`));
    const reports = await Promise.all(given.map((one) => bench.runner.start(one).done));
    for (const report of reports)
      expect(report).toMatchObject({
        outcome: 'succeeded',
        outputs: { BOI_WORKSPACE_VERSION: git('rev-parse', 'main') },
      });
    const logs = await Promise.all(given.map(async (one) => (await bench.logOf(one)).toString()));
    expect(new Set(logs.map((text) => text.split('\n')[0])).size).toBe(20);
    expect(worktrees()).toEqual([]);
  });

  test('is verified there, sees the environment of it, and is refused what is not there', async () => {
    const given = inWorkspace('echo "at $BOI_GIT_COMMIT"', {}, { definition: { verify: ['git rev-parse HEAD'] } });
    expect(await bench.runner.start(given).done).toMatchObject({ outcome: 'succeeded' });
    const commit = git('rev-parse', 'main');
    expect((await bench.logOf(given)).toString()).toBe(`at ${commit}\n${commit}\n`);
    expect(await bench.runner.start(inWorkspace('true', { ref: 'nowhere' })).done).toMatchObject({
      outcome: 'failed',
      reason: 'workspace-refused',
      message: expect.stringContaining('nowhere'),
    });
    expect(await bench.runner.start(inWorkspace('true', { plugin: 'svn' })).done).toMatchObject({
      reason: 'workspace-failed',
      message: 'this node has no workspace plugin svn',
    });
  });

  test('finds it again when the plugin is killed while it is made', async () => {
    await bench.supervisor.untilReady();
    const running = bench.runner.start(inWorkspace(COMMIT));
    process.kill(bench.supervisor.status.pid as number, 'SIGKILL');
    expect(await running.done).toMatchObject({ outcome: 'succeeded' });
    expect(worktrees()).toEqual([]);
  });
});

describe('what a task committed', () => {
  test('is on its branch when the result is told', async () => {
    const report = await bench.runner.start(inWorkspace(COMMIT, { push: 'agents/{ref}-{attempt}' })).done;
    const pushed = git('rev-parse', 'agents/it-1');
    expect(report).toMatchObject({
      outcome: 'succeeded',
      outputs: { BOI_PUSHED_BRANCH: 'agents/it-1', BOI_PUSHED_VERSION: pushed },
    });
    expect(git('log', '--format=%s', 'main..agents/it-1')).toBe('made');
  });

  test('makes the task fail if it cannot be pushed, and is not lost', async () => {
    const allow = refusePushes();
    const given = inWorkspace(COMMIT, { push: 'result' });
    const report = await bench.runner.start(given).done;
    expect(report).toMatchObject({ outcome: 'failed', reason: 'push-failed' });
    expect(report.message).toContain('not today');
    const [kept] = worktrees();
    expect(report.message).toContain(join(bench.lab.directory, 'git/work', kept as string));
    allow();
    const again = { taskId: given.task, fence: given.fence, keep: false, pushBranch: 'result' };
    await cleanupWorkspace(bench.supervisor.channel(), again);
    expect(git('log', '--format=%s', 'main..result')).toBe('made');
  });

  test('is not pushed when verification failed', async () => {
    const change = { definition: { verify: ['false'] } };
    const report = await bench.runner.start(inWorkspace(COMMIT, { push: 'result' }, change)).done;
    expect(report).toMatchObject({ outcome: 'failed', reason: 'verify-failed' });
    expect(git('branch', '--list', 'result')).toBe('');
    expect(worktrees()).toEqual([]);
  });
});

describe('the workspace afterwards', () => {
  test.each([
    ['on-failure', 'exit 3', true],
    ['on-failure', 'true', false],
    ['always', 'true', true],
    [undefined, 'exit 3', false],
  ] as const)('with keep %s after `%s`: kept is %s', async (keep, run, kept) => {
    const given = inWorkspace(`${COMMIT}; ${run}`, keep === undefined ? {} : { keep });
    const report = await bench.runner.start(given).done;
    expect(worktrees()).toHaveLength(kept ? 1 : 0);
    const path = join(bench.lab.directory, 'git/work', worktrees()[0] ?? '');
    const log = (await bench.logOf(given)).toString();
    expect(log.includes(`kept on this node: ${path}`)).toBe(kept);
    if (run !== 'true') expect(report.message?.includes('kept on this node')).toBe(kept);
    if (kept) expect(existsSync(join(path, 'made'))).toBe(true);
  });

  test('of an earlier life of the daemon is removed, unless it was kept', async () => {
    const channel = await bench.supervisor.untilReady();
    const [left, kept] = [inWorkspace(''), inWorkspace('')];
    for (const { task, fence, project } of [left, kept])
      await prepareWorkspace(channel, { taskId: task, fence, projectId: project, source });
    await cleanupWorkspace(channel, { taskId: kept.task, fence: kept.fence, keep: true });
    const root = join(bench.lab.directory, 'git');
    const next = await taskBench('workspace', 'workspace-git', () => ['--root', root]);
    try {
      await next.supervisor.start();
      next.plugins.start();
      expect(await next.runner.start(inWorkspace('true')).done).toMatchObject({ outcome: 'succeeded' });
      await expect.poll(worktrees).toEqual([`${kept.task}.${kept.fence}`]);
    } finally {
      await next.close();
    }
  });
});

describe('a cancel', () => {
  let silent: Server | undefined;
  afterEach(() => new Promise<unknown>((resolve) => (silent === undefined ? resolve(0) : silent.close(resolve))));

  /** Resolves when a push has begun; it goes on when the file `go` is there. */
  async function heldPush(): Promise<void> {
    const [begun, go] = ['begun', 'go'].map((name) => join(bench.lab.directory, name));
    const script = `#!/bin/sh\ntouch ${begun}\nwhile [ ! -e ${go} ]; do sleep 0.05; done\n`;
    writeFileSync(join(source, '.git/hooks/pre-receive'), script, { mode: 0o755 });
    await expect.poll(() => existsSync(begun as string), { timeout: 30_000 }).toBe(true);
  }

  test('while it is pushed comes too late, unless it is forced', async () => {
    const running = bench.runner.start(inWorkspace(COMMIT, { push: 'result' }));
    await heldPush();
    running.cancel();
    writeFileSync(join(bench.lab.directory, 'go'), '');
    expect(await running.done).toMatchObject({ outcome: 'succeeded' });
    expect(git('log', '--format=%s', 'main..result')).toBe('made');

    rmSync(join(bench.lab.directory, 'go'));
    rmSync(join(bench.lab.directory, 'begun'));
    const other = bench.runner.start(inWorkspace(COMMIT, { push: 'other' }));
    await heldPush();
    other.cancel({ force: true });
    expect(await other.done).toMatchObject({ outcome: 'cancelled' });
    writeFileSync(join(bench.lab.directory, 'go'), '');
  });

  test('while it is prepared ends the task at once', async () => {
    // A server that takes the question and never answers.
    const asked = new Promise<void>((resolve) => {
      silent = createServer((socket) => {
        socket.on('error', () => undefined).once('data', () => resolve());
      });
    });
    await new Promise<void>((resolve) => silent?.listen(0, '127.0.0.1', resolve));
    const address = silent?.address();
    if (address === undefined || address === null || typeof address === 'string') throw new Error('it does not listen');
    const running = bench.runner.start(inWorkspace('true', { source: `git://127.0.0.1:${address.port}/x` }));
    await asked;
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled' });
    await bench.supervisor.stop();
  });
});

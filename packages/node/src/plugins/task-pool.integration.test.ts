/** Tasks that a pool plugin runs: pool-process as a program of its own, killed and started again under them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnTask } from '@boi/plugin-host';
import { systemClock } from '@boi/system';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { assignment, type TaskBench, taskBench } from './testing/task-bench.ts';

let bench: TaskBench;
const SECRET = 'correct-horse-battery';
beforeEach(async () => {
  const env = { PATH: process.env.PATH, BOI_SECRET_TOKEN: SECRET };
  bench = await taskBench('pool', 'pool-process', (directory) => ['--state', join(directory, 'state')], env);
  await bench.supervisor.start();
  bench.plugins.start();
});
afterEach(() => bench.close());

const file = (name: string) => join(bench.lab.directory, name);

async function killPlugin(): Promise<void> {
  await bench.supervisor.untilReady();
  const { pid } = bench.supervisor.status;
  process.kill(pid as number, 'SIGKILL');
  await bench.lab.reaches(bench.supervisor, 'waiting', 'starting');
  await bench.supervisor.untilReady();
}

describe('a task in a pool', () => {
  test('ends as on the host: exit code, outputs, masked secrets, no directory left', async () => {
    const given = assignment('echo "it is $TOKEN"; echo size=7 >>"$BOI_OUTPUT"; pwd >&2', {
      definition: { secrets: ['TOKEN'], verify: ['test -n "$TOKEN"'] },
    });
    const report = await bench.runner.start(given).done;
    expect(report).toMatchObject({ outcome: 'succeeded', exitCode: 0, outputs: { size: '7' } });
    const log = (await bench.logOf(given)).toString();
    expect(log).toContain('it is ***\n');
    expect(log + report.tail).not.toContain(SECRET);
    expect(bench.supervisor.status.state).toBe('ready');
  });

  test('fails by the command that failed, run or verify', async () => {
    const report = (run: string, verify: string[] = []) =>
      bench.runner.start(assignment(run, { definition: { verify } })).done;
    expect(await report('exit 3', ["echo 'not reached'"])).toMatchObject({ reason: 'exit-code', exitCode: 3 });
    expect(await report('true', ["echo 'it'\\''s'", 'exit 4'])).toMatchObject({
      reason: 'verify-failed',
      exitCode: 4,
      message: 'verify command 2 exited 4: exit 4',
    });
    expect(await report('kill -9 $$')).toMatchObject({ reason: 'signal', signal: 'SIGKILL' });
  });

  test('has a log that is byte for byte what it wrote, though the plugin is killed twice in the middle', async () => {
    const given = assignment(
      `for i in 1 2 3 4 5 6 7 8; do head -c 100000 /dev/urandom; sleep 0.2; done | tee ${file('written')}`,
    );
    const running = bench.runner.start(given);
    await bench.written(given, 1);
    await killPlugin();
    await bench.written(given, 300_000);
    await killPlugin();
    expect(await running.done).toMatchObject({ outcome: 'succeeded', logBytes: 800_000 });
    expect((await bench.logOf(given)).equals(readFileSync(file('written')))).toBe(true);
    expect(bench.lab.crashes).toHaveLength(2);
  });

  test('is started once for a claim, also when it is handed over again and when the plugin dies meanwhile', async () => {
    const given = assignment(`echo x >>${file('starts')}; echo up; while [ ! -e ${file('go')} ]; do sleep 0.05; done`);
    const running = bench.runner.start(given);
    expect(bench.runner.start(given)).toBe(running);
    await bench.written(given, 3);
    // Another caller with the same claim.
    const again = async () =>
      spawnTask(await bench.supervisor.untilReady(), { taskId: given.task, fence: given.fence, argv: ['/bin/true'] });
    expect(await again()).toMatchObject({ alreadySpawned: true });
    await killPlugin();
    expect(await again()).toMatchObject({ alreadySpawned: true });
    writeFileSync(file('go'), '');
    expect(await running.done).toMatchObject({ outcome: 'succeeded' });
    expect(readFileSync(file('starts'), 'utf8')).toBe('x\n');
  });

  test('is refused under a fence that is older than one the pool knows', async () => {
    const current = assignment('echo up; sleep 3600');
    const running = bench.runner.start(current);
    await bench.written(current, 3);
    const stale = { ...current, delivery: 2, fence: String(Number(current.fence) - 500) };
    expect(await bench.runner.start(stale).done).toMatchObject({
      outcome: 'failed',
      reason: 'start-failed',
      message: expect.stringContaining('FAILED_PRECONDITION'),
    });
    running.cancel({ force: true });
    expect(await running.done).toMatchObject({ outcome: 'cancelled' });
  });
});

describe('a stop', () => {
  test('is TERM and the grace; a second one is force', async () => {
    const given = assignment('trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done');
    const running = bench.runner.start(given);
    await bench.written(given, 3);
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled', exitCode: 3 });
    expect((await bench.logOf(given)).toString()).toMatch(/^up\n(Terminated\n)?bye\n$/);

    const deaf = assignment('trap "" TERM; echo up; while :; do sleep 0.05; done');
    const other = bench.runner.start(deaf);
    await bench.written(deaf, 3);
    other.cancel();
    other.cancel();
    expect(await other.done).toMatchObject({ outcome: 'cancelled' });
  });

  test('reaches a task whose plugin is away at that moment', async () => {
    const given = assignment('trap "" TERM; echo up; while :; do sleep 0.05; done');
    const running = bench.runner.start(given);
    await bench.written(given, 3);
    process.kill(bench.supervisor.status.pid as number, 'SIGKILL');
    running.cancel({ graceMs: 200 });
    expect(await running.done).toMatchObject({ outcome: 'cancelled' });
  });

  test('before the start means that nothing is started', async () => {
    await bench.supervisor.stop();
    const begun = bench.supervisor.start();
    const running = bench.runner.start(assignment(`echo x >${file('ran')}`));
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled' });
    await begun;
    expect(() => readFileSync(file('ran'))).toThrow(/ENOENT/);
  });

  test('comes to exclusive tasks when the session is about to end', async () => {
    const given = assignment('trap "" TERM; echo up; while :; do sleep 0.05; done', {
      definition: { exclusive: true },
    });
    const running = bench.runner.start(given);
    await bench.written(given, 3);
    const now = systemClock.mono();
    bench.runner.setDeadline({ termAtMs: now + 50, killAtMs: now + 300 });
    expect(await running.done).toMatchObject({ outcome: 'cancelled', reason: 'lost' });
  });
});

describe('what an earlier life of the daemon left running', () => {
  test('is ended before anything is started', async () => {
    const other = await taskBench('pool', 'pool-process', () => ['--state', file('state')], process.env);
    const old = assignment('unused');
    const key = { taskId: old.task, fence: old.fence };
    const channel = await bench.supervisor.untilReady();
    const argv = ['/bin/sh', '-c', 'while :; do sleep 0.05; done'];
    await spawnTask(channel, { ...key, argv, env: { PATH: process.env.PATH as string }, attempt: 1 });
    await other.supervisor.start();
    other.plugins.start();
    try {
      const given = assignment(`ls ${file('state')}`);
      expect(await other.runner.start(given).done).toMatchObject({ outcome: 'succeeded' });
      expect((await other.logOf(given)).toString()).toBe(`${given.task}.${given.fence}\n`);
    } finally {
      await other.close();
    }
  });
});

describe('a plugin that becomes unstable', () => {
  test('loses what it ran, and is made to stop it when an operator has restarted it', async () => {
    const given = assignment('echo $$; trap "" TERM; while :; do sleep 0.05; done');
    const running = bench.runner.start(given);
    await bench.written(given, 2);
    const pid = (await bench.runner.logs.read({ ...given, offset: 0, limit: 20 })).bytes.toString().trim();
    while (bench.supervisor.status.state !== 'unstable') {
      if (bench.supervisor.status.state === 'ready') process.kill(bench.supervisor.status.pid as number, 'SIGKILL');
      await bench.supervisor.changed();
    }
    expect(await running.done).toMatchObject({
      outcome: 'failed',
      reason: 'lost',
      message: expect.stringContaining('it crashed too often'),
    });
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await bench.supervisor.restart();
    await expect.poll(() => existsSync(`/proc/${pid}`), { timeout: 20_000 }).toBe(false);
  });
});

describe('a plugin that cannot be started', () => {
  test('fails its tasks instead of holding them', async () => {
    await bench.supervisor.stop();
    expect(await bench.runner.start(assignment('true')).done).toMatchObject({
      outcome: 'failed',
      reason: 'start-failed',
      message: expect.stringContaining('it is not ready'),
    });
  });
});

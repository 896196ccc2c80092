/** Tasks that a pool plugin runs: pool-process as a program of its own, killed and started again under them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listTasks, releaseTask, spawnTask } from '@boi/plugin-host';
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

describe('a task of an earlier life of the daemon', () => {
  /** Of what is listed from the start. */
  const resumed = () => {
    const [one, ...more] = bench.runner.list();
    expect(more).toEqual([]);
    if (one === undefined) throw new Error('nothing is taken up');
    return one.running;
  };
  const listed = async () => (await listTasks(await bench.supervisor.untilReady())).map(({ taskId }) => taskId);

  test('goes on: the log has every byte once, the end of its output is in the report, nothing is started twice', async () => {
    const given = assignment(
      `echo x >>${file('starts')}; (for i in 1 2 3 4 5; do head -c 100000 /dev/urandom; sleep 0.2; done; echo last) | tee ${file('written')}; echo a=1 >>"$BOI_OUTPUT"`,
      { nonce: 'n1' },
    );
    bench.runner.start(given);
    await bench.written(given, 150_000);
    await bench.leave();
    await bench.again();
    expect(bench.runner.list()).toMatchObject([{ task: given.task, fence: given.fence, nonce: 'n1' }]);
    const report = await resumed().done;
    expect(report).toMatchObject({ outcome: 'succeeded', outputs: { a: '1' }, logBytes: 500_005 });
    expect(report.tail.endsWith('last\n')).toBe(true);
    expect((await bench.logOf(given)).equals(readFileSync(file('written')))).toBe(true);
    expect(readFileSync(file('starts'), 'utf8')).toBe('x\n');
    expect(await listed()).toEqual([]);
    bench.runner.forget(given.task, given.fence);
    await expect.poll(() => readdirSync(join(bench.lab.directory, 'data', 'pooled'))).toEqual([]);
  });

  test('that ended while the daemon was away has its end told, as often as the daemon dies before it is over', async () => {
    const given = assignment(
      `echo up; until [ -e ${file('go')} ]; do sleep 0.02; done; echo a=1 >>"$BOI_OUTPUT"; exit 0`,
      {
        definition: { timeoutMs: 3_600_000, verify: ['echo no; exit 4'] },
      },
    );
    bench.runner.start(given);
    await bench.written(given, 3);
    await bench.leave();
    writeFileSync(file('go'), '');
    await expect.poll(() => existsSync(join(file('state'), `${given.task}.${given.fence}`, 'end.json'))).toBe(true);
    for (let life = 1; life <= 2; life++) {
      await bench.again();
      expect(await resumed().done).toMatchObject({ outcome: 'failed', reason: 'verify-failed', exitCode: 4 });
      expect((await bench.logOf(given)).toString()).toBe('up\nno\n');
      // Who asks later, when the node is a member, is told still.
      expect(await resumed().done).toMatchObject({ reason: 'verify-failed' });
      await bench.leave();
    }
    await bench.again();
    bench.runner.forget(given.task, given.fence);
    await expect.poll(() => bench.runner.list()).toEqual([]);
  });

  test('that the pool does not know any more is lost', async () => {
    const given = assignment('sleep 3600');
    const running = bench.runner.start(given);
    await expect.poll(listed).toEqual([given.task]);
    await bench.leave();
    expect(await running.done).toMatchObject({ outcome: 'cancelled', reason: 'lost' });
    const other = bench.lab.supervisor({ ...bench.supervisor.config });
    await other.start();
    await releaseTask(await other.untilReady(), { taskId: given.task, fence: given.fence });
    await other.stop();
    await bench.again();
    expect(await resumed().done).toMatchObject({
      outcome: 'failed',
      reason: 'lost',
      message: 'its pool does not know it any more',
    });
  });

  test('is stopped like any other, before its plugin is ready even, and by what is left of its timeout', async () => {
    const given = assignment('trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.02; done');
    bench.runner.start(given);
    await bench.written(given, 3);
    await bench.leave();
    await bench.again();
    const running = resumed();
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled', exitCode: 3 });
    expect((await bench.logOf(given)).toString()).toMatch(/^up\n(Terminated\n)?bye\n$/);
    bench.runner.forget(given.task, given.fence);

    const timed = assignment('echo up; sleep 3600', { definition: { timeoutMs: 2_000 } });
    bench.runner.start(timed);
    await bench.written(timed, 3);
    await bench.leave();
    await bench.again();
    expect(await resumed().done).toMatchObject({ outcome: 'timed-out' });
  });

  test('has its secrets masked still; with other secrets its output is not read, and it is ended', async () => {
    const run = `echo "it is $TOKEN"; until [ -e ${file('go')} ]; do sleep 0.02; done; printf %s "$TOKEN" | head -c 9; sleep 0.2; printf %s "$TOKEN" | tail -c +10; echo`;
    const given = assignment(run, { definition: { secrets: ['TOKEN'] } });
    bench.runner.start(given);
    await bench.written(given, 10);
    await bench.leave();
    writeFileSync(file('go'), '');
    await bench.again();
    expect(await resumed().done).toMatchObject({ outcome: 'succeeded', tail: 'it is ***\n***\n' });
    expect((await bench.logOf(given)).toString()).toBe('it is ***\n***\n');
    bench.runner.forget(given.task, given.fence);

    const other = assignment('echo up; sleep 3600', { definition: { secrets: ['TOKEN'] } });
    bench.runner.start(other);
    await bench.written(other, 3);
    await bench.leave();
    await bench.again({ PATH: process.env.PATH, BOI_SECRET_TOKEN: 'another' });
    expect(await resumed().done).toMatchObject({ reason: 'lost', message: expect.stringContaining('a secret of it') });
    expect(await listed()).toEqual([]);
  });

  test('that is exclusive is not taken up: its pool is made to end it', async () => {
    const given = assignment('echo up; sleep 3600', { definition: { exclusive: true } });
    bench.runner.start(given);
    await bench.written(given, 3);
    await bench.leave();
    await bench.again();
    expect(bench.runner.list()).toEqual([]);
    expect(await listed()).toEqual([]);
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
    await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
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

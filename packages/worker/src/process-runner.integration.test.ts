import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TaskReport } from '@boi/core';
import { isProcessAlive, processStartTicks } from '@boi/system';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ProcessRunner } from './process-runner.ts';
import { type AssignmentChange, assignment, type Bench, bench } from './testing/runner-fixture.ts';

let workbench: Bench;
let runner: ProcessRunner;
const env = {
  PATH: process.env.PATH,
  HOME: '/root',
  DAEMON_ONLY: 'not for tasks',
  BOI_SECRET_TOKEN: 's3cr3t-value',
  LC_ALL: 'C',
};

beforeAll(async () => {
  workbench = await bench();
  runner = workbench.runner('data', { env });
  await runner.open();
});
afterAll(() => workbench.close());

async function run(command: string | readonly string[], change: AssignmentChange = {}): Promise<TaskReport> {
  return runner.start(assignment(command, change)).done;
}

async function logOf(given: ReturnType<typeof assignment>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of runner.logs.follow({ ...given, offset: 0, signal: new AbortController().signal })) {
    parts.push(Buffer.from(chunk.bytes));
  }
  return Buffer.concat(parts).toString();
}

/** Resolves when the log of a running task holds `text`. */
async function printed(given: ReturnType<typeof assignment>, text: string): Promise<string> {
  let seen = '';
  for await (const chunk of runner.logs.follow({ ...given, offset: 0, signal: AbortSignal.timeout(20_000) })) {
    seen += chunk.bytes.toString();
    if (seen.includes(text)) return seen;
  }
  throw new Error(`the log ended without ${text}: ${seen}`);
}

const gone = (pid: number) => !isProcessAlive({ pid, startTicks: processStartTicks(pid) ?? -1 });

describe('outcomes', () => {
  test('a command that exits 0 succeeded, with its output in the tail and the log, and no work directory left', async () => {
    const given = assignment('echo out; echo err >&2; pwd > /dev/null');
    const report = await runner.start(given).done;
    expect(report).toMatchObject({ outcome: 'succeeded', exitCode: 0, logBytes: 8 });
    expect(report.tail.split('\n').sort().join()).toBe(',err,out');
    expect(report.startedAt).toBeLessThanOrEqual(report.endedAt);
    expect(await readdir(join(workbench.base, 'data/work'))).toEqual([]);
  });

  test('an exit code, a signal, a missing program and a missing directory each have a reason of their own', async () => {
    expect(await run('exit 7')).toMatchObject({ outcome: 'failed', reason: 'exit-code', exitCode: 7 });
    expect(await run('kill -9 $$')).toMatchObject({ outcome: 'failed', reason: 'signal', signal: 'SIGKILL' });
    const absent = await run(['no-such-program-here', 'x']);
    expect(absent).toMatchObject({ outcome: 'failed', reason: 'start-failed' });
    expect(absent.message).toContain('no-such-program-here');
    expect(absent.startedAt).toBeUndefined();
    const nowhere = await run('true', { definition: { workdir: '/nowhere/at/all' } });
    expect(nowhere).toMatchObject({ outcome: 'failed', reason: 'workspace-failed' });
    expect(nowhere.message).toContain('/nowhere/at/all');
  });

  test('verify commands run in order after run, in its directory; the first that fails names itself', async () => {
    const ok = await run('echo x > made', { definition: { verify: ['test -f made', ['cat', 'made']] } });
    expect(ok).toMatchObject({ outcome: 'succeeded', tail: 'x\n' });
    const bad = await run('true', { definition: { verify: ['true', 'test -f made', 'echo never'] } });
    expect(bad).toMatchObject({ outcome: 'failed', reason: 'verify-failed', exitCode: 1, tail: '' });
    expect(bad.message).toContain('verify command 2');
  });

  test('outputs come back; a missing, malformed or oversize one fails the task and says how', async () => {
    expect((await run('echo a=1 > $BOI_OUTPUT; echo "b=x y=z" >> $BOI_OUTPUT')).outputs).toEqual({
      a: '1',
      b: 'x y=z',
    });
    const missing = await run('echo a=1 > $BOI_OUTPUT', { definition: { outputs: ['a', 'url'] } });
    expect(missing).toMatchObject({ outcome: 'failed', reason: 'output-missing' });
    expect(missing.message).toContain('`url`');
    const malformed = await run('echo "no equals sign" > $BOI_OUTPUT');
    expect(malformed).toMatchObject({ outcome: 'failed', reason: 'output-missing' });
    expect(malformed.message).toContain('line 1');
    const large = await run('head -c 5000 /dev/zero | tr "\\0" x > $BOI_OUTPUT');
    expect(large).toMatchObject({ outcome: 'failed', reason: 'output-too-large' });
    const link = await run('ln -s /etc/passwd $BOI_OUTPUT');
    expect(link).toMatchObject({ outcome: 'failed', reason: 'output-missing' });
    const pipe = await run('mkfifo $BOI_OUTPUT');
    expect(pipe).toMatchObject({ outcome: 'failed', reason: 'output-missing' });
  });

  test('a task sees its facts, its own env and inputs, and of the daemon only what is allowed', async () => {
    const given = assignment('env', {
      inputs: { 'build[cc=gcc]': { image: 'i1', both: 'x', PATH: '/evil' }, other: { both: 'y' } },
      definition: { env: { MINE: '1' } },
    });
    await runner.start(given).done;
    const seen = Object.fromEntries(
      (await logOf(given)).split('\n').map((l) => [l.split('=')[0], l.slice(l.indexOf('=') + 1)]),
    );
    expect(seen).toMatchObject({
      BOI_TASK_ID: given.task,
      BOI_SPEC_ID: given.spec,
      BOI_PROJECT_ID: given.project,
      BOI_NODE_ID: given.node,
      BOI_TASK_REF: 'it',
      BOI_ATTEMPT: '1',
      BOI_FENCE: given.fence,
      MINE: '1',
      LC_ALL: 'C',
      PATH: process.env.PATH,
      image: 'i1',
      BOI_INPUT_BUILD_CC_GCC__image: 'i1',
      BOI_INPUT_BUILD_CC_GCC__both: 'x',
      BOI_INPUT_OTHER_both: 'y',
    });
    expect(seen).not.toHaveProperty('DAEMON_ONLY');
    expect(seen).not.toHaveProperty('BOI_SECRET_TOKEN');
    expect(seen).not.toHaveProperty('both');
  });

  test('a task inherits no descriptor of the daemon but the three standard ones', async () => {
    const report = await run(['/bin/sh', '-c', 'ls /proc/self/fd | tr "\\n" " "']);
    // The listing itself is one. What this test was started with is kept from it, too.
    expect(report.tail.trim().split(' ')).toEqual(['0', '1', '2', '3']);
  });

  test('a second start with the same task and fence answers the same running task', async () => {
    const given = assignment('echo once');
    const first = runner.start(given);
    expect(runner.start(given)).toBe(first);
    await first.done;
    expect(runner.start(given)).toBe(first);
    expect(await logOf(given)).toBe('once\n');
  });
});

describe('misbehaving tasks', () => {
  test('one that ignores TERM is killed after the grace', async () => {
    const given = assignment('trap "" TERM; echo ready; while :; do sleep 0.05; done');
    const running = runner.start(given);
    await printed(given, 'ready');
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled', signal: 'SIGKILL' });
  });

  test('a second cancel skips the grace', async () => {
    const given = assignment('trap "" TERM; echo ready; while :; do sleep 0.05; done', {
      definition: { graceMs: 3_600_000 },
    });
    const running = runner.start(given);
    await printed(given, 'ready');
    running.cancel();
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled' });
  });

  test('cancel ends a task that handles TERM with what it still prints', async () => {
    const given = assignment('trap "echo bye; exit 3" TERM; echo ready; while :; do sleep 0.05; done');
    const running = runner.start(given);
    await printed(given, 'ready');
    running.cancel({ graceMs: 60_000 });
    const report = await running.done;
    expect(report).toMatchObject({ outcome: 'cancelled', exitCode: 3 });
    expect(report.tail).toContain('bye\n');
  });

  test('cancel before anything was started reports cancelled and starts nothing', async () => {
    const fresh = workbench.runner('fresh', { env });
    const running = fresh.start(assignment('echo never'));
    running.cancel();
    expect(await running.done).toMatchObject({ outcome: 'cancelled', tail: '', logBytes: 0 });
    expect((await running.done).startedAt).toBeUndefined();
  });

  test('a timeout reaches descendants and the report says timed-out', async () => {
    const given = assignment('sleep 1000 & echo $!; sleep 1000', { definition: { timeoutMs: 200 } });
    const report = await runner.start(given).done;
    expect(report).toMatchObject({ outcome: 'timed-out', reason: 'timeout' });
    expect(gone(Number.parseInt(report.tail, 10))).toBe(true);
    expect(await logOf(given)).toContain('timeout after 200 ms');
  });

  test('one that forks away into a session of its own is not reported ended while the descendant lives', async () => {
    const given = assignment('setsid sh -c "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo \\$!" & wait; exit 0');
    const report = await runner.start(given).done;
    expect(report).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    const pid = Number.parseInt(report.tail, 10);
    expect(pid).toBeGreaterThan(0);
    expect(gone(pid)).toBe(true);
  });

  test('a descendant in a session of its own that ignores TERM is killed too', async () => {
    const script = 'trap "" TERM; echo $$; while :; do sleep 0.05; done';
    const given = assignment(`setsid sh -c '${script}' & sleep 0.2; exit 5`);
    const report = await runner.start(given).done;
    expect(report).toMatchObject({ outcome: 'failed', exitCode: 5 });
    expect(gone(Number.parseInt(report.tail, 10))).toBe(true);
  });

  test('one that closes its output early runs on to its own end', async () => {
    const report = await run('echo first; exec >/dev/null 2>&1; sleep 0.3; exit 4');
    expect(report).toMatchObject({ outcome: 'failed', exitCode: 4, tail: 'first\n' });
    expect(report.endedAt - (report.startedAt ?? 0)).toBeGreaterThanOrEqual(250);
  });

  test('one that floods 1 GB ends well, its log is capped with a marker, memory stays flat', async () => {
    const flooded = workbench.runner('flood', { env, logBytesMax: 64 * 2 ** 20 });
    await flooded.open();
    const bytes = 1_000_000_000;
    const given = assignment(`head -c ${bytes} /dev/zero; echo the end`);
    const before = process.memoryUsage().rss;
    let peak = before;
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
    }, 20);
    const report = await flooded.start(given).done;
    clearInterval(watch);
    expect(report).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
    expect(report.tail).toContain('the end');
    expect(report.logBytes).toBeGreaterThan(bytes);
    expect((peak - before) / 2 ** 20).toBeLessThan(150);
    const state = await flooded.logs.state(given);
    expect(state).toEqual({ size: report.logBytes, ended: true, complete: true });
    const last = await flooded.logs.read({ ...given, offset: state.size - 8, limit: 100 });
    expect(last.bytes.toString()).toBe('the end\n');
    const middle = await flooded.logs.read({ ...given, offset: 40 * 2 ** 20, limit: 100 });
    expect(middle.gap?.offset).toBe(40 * 2 ** 20);
    expect(middle.offset).toBe(middle.gap?.to);
    const head = await flooded.logs.read({ ...given, offset: 32 * 2 ** 20, limit: 200 });
    expect(head.bytes.toString()).toContain('reached its cap');
    expect(head.segments[0]?.stream).toBe('system');
  });

  test('a log that cannot be written fails the task with reason disk, and the next task runs', async () => {
    const broken = workbench.runner('broken', { env });
    await broken.open();
    await writeFile(join(workbench.base, 'broken', 'logs'), 'a file where the directory should be');
    const report = await broken.start(assignment('echo hello; sleep 1000')).done;
    expect(report).toMatchObject({ outcome: 'failed', reason: 'disk' });
    expect(report.message).toContain('log cannot be written');
    expect(await run('true')).toMatchObject({ outcome: 'succeeded' });
  });

  test('a task that removes its own work directory still succeeds', async () => {
    expect(await run('rm -rf "$PWD"')).toMatchObject({ outcome: 'succeeded' });
  });
});

describe('secrets', () => {
  test('values from the file and the environment are masked in log, tail and outputs, across chunks', async () => {
    const secretsFile = join(workbench.base, 'secrets.json');
    await writeFile(secretsFile, JSON.stringify({ KEY: 'file-secret-1' }), { mode: 0o600 });
    const secret = workbench.runner('secret', { env, secretsFile });
    const command =
      'printf %s file-sec; sleep 0.1; echo ret-1 $TOKEN; echo k=$KEY > $BOI_OUTPUT; cp $BOI_OUTPUT /dev/null';
    const given = assignment(command, { definition: { secrets: ['KEY', 'TOKEN'] } });
    const report = await secret.start(given).done;
    expect(report).toMatchObject({ outcome: 'succeeded', tail: '*** ***\n', outputs: { k: '***' } });
    expect(readFileSync(join(secret.logs.root, given.spec, `${given.task}.1.1.log`), 'utf8')).toBe('*** ***\n');
    const missing = await secret.start(assignment('true', { definition: { secrets: ['NOPE', 'KEY'] } })).done;
    expect(missing).toMatchObject({ outcome: 'failed', reason: 'secret-missing' });
    expect(missing.message).toContain('`NOPE`');
    await chmod(secretsFile, 0o644);
    const open = await secret.start(assignment('true', { definition: { secrets: ['KEY'] } })).done;
    expect(open).toMatchObject({ outcome: 'failed', reason: 'secret-missing' });
    expect(open.message).toContain('chmod 0600');
  });
});

describe('logs of running tasks', () => {
  test('segments tell the streams apart, and a follower that comes back at an offset misses and repeats nothing', async () => {
    const given = assignment('echo a; sleep 0.1; echo b >&2; sleep 0.1; echo c; read x < fifo', {
      definition: { run: 'mkfifo fifo; echo a; sleep 0.1; echo b >&2; sleep 0.1; echo c; read x < fifo' },
    });
    const running = runner.start(given);
    await printed(given, 'c\n');
    const chunk = await runner.logs.read({ ...given, offset: 2, limit: 100 });
    expect(chunk.bytes.toString()).toBe('b\nc\n');
    expect(chunk.segments.map((s) => [s.offset, s.stream])).toEqual([
      [2, 'stderr'],
      [4, 'stdout'],
    ]);
    expect(chunk.segments.every((s) => typeof s.at === 'number')).toBe(true);
    expect(await runner.logs.state(given)).toMatchObject({ size: 6, ended: false });
    running.cancel({ force: true });
    await running.done;
    expect(await runner.logs.state(given)).toEqual({ size: 6, ended: true, complete: true });
    expect(await runner.logs.attempts(given.spec, given.task)).toEqual([{ attempt: 1, delivery: 1 }]);
  });

  test('a link in place of a log or of its directory is refused', async () => {
    const given = assignment('echo x');
    await runner.start(given).done;
    const other = assignment('true');
    await symlink(join(runner.logs.root, given.spec), join(runner.logs.root, other.spec));
    await expect(runner.logs.read({ ...other, offset: 0, limit: 1 })).rejects.toMatchObject({
      code: 'log-unavailable',
    });
    const third = assignment('true');
    await mkdir(join(runner.logs.root, third.spec));
    await symlink('/etc/passwd', join(runner.logs.root, third.spec, `${third.task}.1.1.log`));
    await expect(runner.logs.read({ ...third, offset: 0, limit: 1 })).rejects.toMatchObject({
      code: 'log-unavailable',
    });
    expect(existsSync('/etc/passwd')).toBe(true);
  });
});

test('an exclusive task that is started after the deadline of the session is never run', async () => {
  const late = workbench.runner('late', { env });
  await late.open();
  late.setDeadline({ termAtMs: 0, killAtMs: 0 });
  const exclusive = late.start(assignment('echo ran', { definition: { ref: 'x', run: 'echo ran', exclusive: true } }));
  expect(await exclusive.done).toMatchObject({ outcome: 'cancelled', reason: 'lost', logBytes: expect.any(Number) });
  expect((await exclusive.done).startedAt).toBeUndefined();
  expect(await late.start(assignment('echo ran')).done).toMatchObject({ outcome: 'succeeded' });
  await late.stop();
});

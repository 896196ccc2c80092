import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@boi/system';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hint } from '../clients/router-client.ts';
import type { SupervisionTimes } from '../config.ts';
import { PluginError, type PluginFailure } from '../errors.ts';
import { freeSocketPath } from '../process/socket-dir.ts';
import { bundleProgram } from '../testing/bundle.ts';
import { type Lab, minter, openLab } from '../testing/lab.ts';
import { type CrashLog, MemoryCrashLog } from './crash-log.ts';
import type { PluginSupervisor } from './supervisor.ts';

let program: string;
let lab: Lab;
beforeAll(async () => {
  program = await bundleProgram(join(import.meta.dirname, '../testing/misbehaving-plugin.ts'));
});
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

const plugin = (mode: string, times?: Partial<SupervisionTimes>, readyTimeoutMs = 20_000, argument = '') =>
  lab.supervisor({ command: process.execPath, args: [program, mode, argument], readyTimeoutMs }, times);
const started = async (supervisor: PluginSupervisor) => {
  await supervisor.start();
  return supervisor.untilReady();
};
const request = () => {
  const [taskId, nodeId] = [minter.mint('spec').replace('spc', 'tsk'), minter.mint('node')];
  return { tasks: [{ taskId, eligible: [0] }], candidates: [{ nodeId, slots: 1 }] };
};
const isAlive = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a plugin that starts', () => {
  test('is ready when it printed BOI_READY and answered the handshake, with what it said of itself', async () => {
    const supervisor = plugin('well');
    await started(supervisor);
    expect(supervisor.status).toMatchObject({ state: 'ready', introduction: { name: 'misbehaving', version: '1' } });
    expect(await hint(supervisor.channel(), request(), { timeoutMs: 2_000 })).toEqual(new Map());
    expect(lab.statuses.map(({ state }) => state)).toEqual(['starting', 'ready']);
  });

  test('speaks a later minor version and is ready all the same, and that is said once over its restarts', async () => {
    const supervisor = plugin('later-minor');
    await started(supervisor);
    expect(supervisor.status).toMatchObject({ state: 'ready', introduction: { minor: 7 } });
    process.kill(supervisor.status.pid as number, 'SIGKILL');
    await lab.reaches(supervisor, 'waiting');
    await supervisor.untilReady();
    expect(lab.problems.filter((message) => message.includes('minor 7'))).toHaveLength(1);
  });

  test('gets its socket and its id, and nothing of the daemon that is not listed', async () => {
    process.env.BOI_TEST_SECRET = 'etcd-password';
    await started(plugin('env'));
    await expect.poll(() => lab.lines.find((line) => line.includes('env '))).toBeDefined();
    delete process.env.BOI_TEST_SECRET;
    const line = lab.lines.find((candidate) => candidate.includes('env ')) ?? '';
    expect(line.startsWith('under-test stderr env {')).toBe(true);
    const env = JSON.parse(line.slice(line.indexOf('{'))) as Record<string, string>;
    expect(env).toMatchObject({ BOI_PLUGIN_ID: 'under-test', PATH: process.env.PATH });
    expect(env.BOI_PLUGIN_SOCKET).toBe(join(lab.directory, 'run', 'under-test.sock'));
    expect(env).not.toHaveProperty('BOI_TEST_SECRET');
  });

  test('serves in a directory of mode 0700, also if it was there with another, and where an older socket lay', async () => {
    mkdirSync(join(lab.directory, 'run'));
    chmodSync(join(lab.directory, 'run'), 0o755);
    writeFileSync(join(lab.directory, 'run', 'under-test.sock'), 'stale');
    await started(plugin('well'));
    expect(statSync(join(lab.directory, 'run')).mode & 0o777).toBe(0o700);
  });

  test('may write without end: it is read to the end and the log is spared', async () => {
    const supervisor = plugin('chatty');
    const channel = await started(supervisor);
    await hint(channel, request(), { timeoutMs: 5_000 });
    expect(lab.lines.length).toBeLessThan(4_000);
    expect(supervisor.status.state).toBe('ready');
  });
});

describe('a plugin that does not start', () => {
  test.each<[mode: string, reason: PluginFailure, readyTimeoutMs: number]>([
    ['never-ready', 'not-ready', 500],
    ['garbage', 'garbage', 20_000],
    ['endless-line', 'garbage', 20_000],
    ['no-socket', 'socket-not-served', 3_000],
    ['slow-handshake', 'timed-out', 3_000],
    ['bad-name', 'invalid-answer', 20_000],
    ['crash', 'crashed', 20_000],
  ])('because it is %s ends in %s within its time, and is tried again', async (mode, reason, readyTimeoutMs) => {
    const supervisor = plugin(mode, { restartDelayMs: 60_000 }, readyTimeoutMs);
    const before = systemClock.mono();
    await supervisor.start();
    const { error } = await lab.reaches(supervisor, 'waiting');
    expect(error).toBeInstanceOf(PluginError);
    expect(error).toMatchObject({ reason, code: 'plugin-failed' });
    expect(systemClock.mono() - before).toBeLessThan(15_000);
    expect(() => supervisor.channel()).toThrow(PluginError);
  });

  test.each([
    ['wrong-major', 'it speaks major 2, the node 1'],
    ['wrong-kind', 'asked for boi.router.v1.RouterService: '],
  ])('because of a %s is refused and not tried again', async (mode, told) => {
    const supervisor = plugin(mode);
    await supervisor.start();
    const { error } = await lab.reaches(supervisor, 'refused');
    expect(error).toMatchObject({ reason: 'wrong-contract', message: expect.stringContaining(told) });
    await expect(supervisor.untilReady()).rejects.toMatchObject({ reason: 'wrong-contract' });
    expect(lab.crashes).toEqual([]);
  });

  test.each([
    [{ command: '/no/such/program' }, 'there is no /no/such/program'],
    [{ command: 'no-such-program' }, 'there is no no-such-program in PATH'],
    [{ command: 'true', workdir: '/no/such/place' }, '/no/such/place, where it is to run, is no directory'],
  ])('because it cannot be started says why: %j', async (config, why) => {
    const supervisor = lab.supervisor(config, { restartDelayMs: 60_000 });
    await supervisor.start();
    const { error } = await lab.reaches(supervisor, 'waiting');
    expect(error).toMatchObject({ reason: 'cannot-start', message: expect.stringMatching(new RegExp(`: ${why}$`)) });
  });

  test('because what runs it is not there says so', async () => {
    const command = join(lab.directory, 'script');
    writeFileSync(command, '#!/no/such/interpreter\n', { mode: 0o755 });
    const supervisor = lab.supervisor({ command }, { restartDelayMs: 60_000 });
    await supervisor.start();
    const { error } = await lab.reaches(supervisor, 'waiting');
    expect(error?.message).toContain(`what the first line of ${command} names is not there`);
  });

  test('because its socket path is too long says how long it may be', async () => {
    await expect(freeSocketPath(`/tmp/${'d'.repeat(90)}`, 'some-plugin')).rejects.toThrow(
      /has 112 bytes, the system takes 107/,
    );
  });

  test.each(['../x', 'A', '', 'a b', '..'])('because its name is %j is refused at once', (name) => {
    expect(() => lab.supervisor({ command: 'true', name })).toThrow(/\/name must be/);
  });
});

describe('a plugin that answers wrongly', () => {
  test.each<[mode: string, reason: PluginFailure]>([
    ['huge', 'too-large'],
    ['hang', 'timed-out'],
    ['garbage-bytes', 'invalid-answer'],
    ['nonsense', 'invalid-answer'],
    ['exit-in-call', 'unavailable'],
    ['throws', 'failed'],
  ])('%s ends the call with %s', async (mode, reason) => {
    const supervisor = plugin(mode, { restartDelayMs: 60_000 });
    const channel = await started(supervisor);
    const timeoutMs = mode === 'hang' ? 200 : 10_000;
    await expect(hint(channel, request(), { timeoutMs })).rejects.toMatchObject({ name: 'PluginError', reason });
    if (mode !== 'exit-in-call') expect(supervisor.status.state).toBe('ready');
  });

  test('and takes long is left by the caller when it wants', async () => {
    const channel = await started(plugin('hang'));
    const leave = new AbortController();
    const call = hint(channel, request(), { timeoutMs: 60_000, signal: leave.signal });
    leave.abort();
    await expect(call).rejects.toMatchObject({ reason: 'cancelled' });
  });
});

describe('a plugin that crashes', () => {
  test('is started again three times within the window; the fourth crash leaves it unstable', async () => {
    const supervisor = plugin('crash-later');
    await supervisor.start();
    const { error } = await lab.reaches(supervisor, 'unstable');
    expect(lab.statuses.filter(({ state }) => state === 'starting')).toHaveLength(4);
    expect(lab.crashes).toEqual([
      { crashes: 1, unstable: false, exitCode: 5 },
      { crashes: 2, unstable: false, exitCode: 5 },
      { crashes: 3, unstable: false, exitCode: 5 },
      { crashes: 4, unstable: true, exitCode: 5 },
    ]);
    expect(error).toMatchObject({ reason: 'crashed' });
    expect(() => supervisor.channel()).toThrow(/crashed too often/);
  });

  test('is told within 2 s', async () => {
    const supervisor = plugin('well', { restartDelayMs: 60_000 });
    await started(supervisor);
    const before = systemClock.mono();
    process.kill(supervisor.status.pid as number, 'SIGKILL');
    await lab.reaches(supervisor, 'waiting');
    expect(systemClock.mono() - before).toBeLessThan(2_000);
  });

  test('stays unstable when the daemon starts anew, until an operator restarts it', async () => {
    const before = plugin('crash');
    await before.start();
    await lab.reaches(before, 'unstable');
    await before.stop();
    const after = plugin('well');
    await after.start();
    expect(await lab.reaches(after, 'unstable', 'ready')).toMatchObject({ state: 'unstable', crashes: 4 });
    await after.restart();
    expect(await lab.reaches(after, 'ready')).toMatchObject({ crashes: 0 });
  });

  test('is restarted once by two operators at the same moment, and not at all once the daemon stops', async () => {
    const supervisor = plugin('well');
    await started(supervisor);
    const first = supervisor.status.pid as number;
    await Promise.all([supervisor.restart(), supervisor.restart()]);
    await supervisor.untilReady();
    const pids = new Set(lab.statuses.flatMap(({ pid }) => pid ?? []));
    expect(pids.size).toBe(2);
    expect(isAlive(first)).toBe(false);
    await Promise.all([supervisor.restart(), supervisor.stop()]);
    expect(supervisor.status.state).toBe('stopped');
    expect([...pids].filter(isAlive)).toEqual([]);
  });

  test('is known to be unstable by the next life also if the store was away when it became so', async () => {
    const memory = new MemoryCrashLog();
    let isAway = true;
    const log: CrashLog = {
      read: async (name) => (isAway ? Promise.reject(new Error('away')) : memory.read(name)),
      swap: async (...args) => (isAway ? Promise.reject(new Error('away')) : memory.swap(...args)),
    };
    const away = await openLab(log);
    const config = { command: process.execPath, args: [program, 'crash'] };
    const before = away.supervisor(config, { ledgerRetryMs: 10 });
    await before.start();
    await away.reaches(before, 'unstable');
    isAway = false;
    await expect.poll(async () => (await memory.read('under-test'))?.record.unstable).toBe(true);
    await away.close();
  });

  test("has crashes of the daemon's earlier life counted", async () => {
    for (let life = 1; life <= 3; life++) {
      const supervisor = plugin('crash', { restartDelayMs: 60_000 });
      await supervisor.start();
      await expect.poll(() => lab.crashes.length).toBe(life);
      await supervisor.stop();
    }
    const last = plugin('crash');
    await last.start();
    expect(await lab.reaches(last, 'unstable')).toMatchObject({ crashes: 4 });
    expect(lab.crashes).toHaveLength(4);
  });

  test('has only crashes within the window counted', async () => {
    const supervisor = plugin('crash-later', { crashWindowMs: 1, restartDelayMs: 5 });
    await supervisor.start();
    await expect.poll(() => lab.crashes.length).toBeGreaterThan(5);
    expect(lab.crashes.every(({ unstable }) => !unstable)).toBe(true);
  });

  test('leaves no child behind', async () => {
    const file = join(lab.directory, 'child');
    const supervisor = plugin('leaver', { restartDelayMs: 60_000 }, 20_000, file);
    await supervisor.start();
    await lab.reaches(supervisor, 'waiting');
    expect(existsSync(file)).toBe(true);
    expect(isAlive(Number(readFileSync(file, 'utf8')))).toBe(false);
  });
});

describe('health', () => {
  const often = { healthEveryMs: 20, healthTimeoutMs: 300, restartDelayMs: 60_000 };

  test('three misses in a row end and restart it', async () => {
    const supervisor = plugin('ill', often);
    await started(supervisor);
    expect((await lab.reaches(supervisor, 'waiting')).error).toMatchObject({ reason: 'unhealthy' });
  });

  test('two misses are forgiven', async () => {
    const supervisor = plugin('ill-twice', often);
    await started(supervisor);
    await new Promise<void>((resolve) => systemClock.timer(500, resolve));
    expect(supervisor.status.state).toBe('ready');
  });

  test('a plugin that hangs is found and killed', async () => {
    const supervisor = plugin('frozen', often, 2_000);
    await supervisor.start();
    const { error } = await lab.reaches(supervisor, 'waiting');
    expect(['unhealthy', 'socket-not-served', 'timed-out']).toContain(error?.reason);
    const pid = lab.statuses.find((status) => status.pid !== undefined)?.pid;
    if (pid !== undefined) expect(isAlive(pid)).toBe(false);
  });
});

describe('stop', () => {
  test('asks, waits and then kills the whole process group', async () => {
    const file = join(lab.directory, 'child');
    const supervisor = plugin('stubborn', { stopGraceMs: 400 }, 20_000, file);
    await started(supervisor);
    const leader = supervisor.status.pid as number;
    const child = Number(readFileSync(file, 'utf8'));
    const before = systemClock.mono();
    await supervisor.stop();
    expect(systemClock.mono() - before).toBeGreaterThanOrEqual(400);
    expect([isAlive(leader), isAlive(child)]).toEqual([false, false]);
    expect(lab.lines).toContain('under-test stderr no');
    expect(supervisor.status.state).toBe('stopped');
  });

  test('does not wait for the grace of one that ends at once, and is no crash', async () => {
    const supervisor = plugin('well', { stopGraceMs: 60_000 });
    await started(supervisor);
    await supervisor.stop();
    expect(supervisor.status.state).toBe('stopped');
    expect(lab.crashes).toEqual([]);
  });

  test('works while it starts, waits or is stopped already', async () => {
    const [starting, waiting] = [plugin('never-ready'), plugin('crash', { restartDelayMs: 60_000 })];
    await starting.start();
    await starting.stop();
    await waiting.start();
    await lab.reaches(waiting, 'waiting');
    await waiting.stop();
    await waiting.stop();
    expect([starting.status.state, waiting.status.state]).toEqual(['stopped', 'stopped']);
  });
});

import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Type } from 'typebox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { readJsonFile, writeFileAtomic } from './durable-file.ts';
import { hostFacts } from './host-facts.ts';
import { createLogger } from './logger.ts';
import { isProcessAlive, parseProcessStat, processStartTicks } from './process-identity.ts';
import { systemRandom } from './random.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-system-'));
});
afterEach(() => rm(dir, { recursive: true }));

describe('durable files', () => {
  test('a write replaces the whole file with exactly the mode asked for and leaves nothing beside it', async () => {
    const path = join(dir, 'identity.json');
    await writeFileAtomic(path, 'a longer first content');
    await writeFileAtomic(path, 'second', { mode: 0o640 });
    expect(await readFile(path, 'utf8')).toBe('second');
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect(await readdir(dir)).toEqual(['identity.json']);
  });

  test('a write that fails leaves the old content and no temporary file', async () => {
    const path = join(dir, 'x');
    await writeFileAtomic(join(dir, 'marker'), '');
    await expect(writeFileAtomic(join(path, 'not-a-directory'), 'y')).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await readdir(dir)).toEqual(['marker']);
  });

  const schema = Type.Object({ id: Type.String(), n: Type.Integer() }, { additionalProperties: false });

  test('a JSON file comes back as checked; an absent one is undefined', async () => {
    const path = join(dir, 'a.json');
    expect(await readJsonFile(path, schema)).toBeUndefined();
    await writeFileAtomic(path, '{"id":"x","n":3}');
    expect(await readJsonFile(path, schema)).toEqual({ id: 'x', n: 3 });
  });

  test('a JSON file that does not fit names every wrong field and none of the values', async () => {
    const path = join(dir, 'a.json');
    await writeFileAtomic(path, '{"id":7,"n":"hunter2"}');
    const error = await readJsonFile(path, schema).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'config-invalid', issues: [{ path: '/id' }, { path: '/n' }] });
    expect(String(error)).not.toContain('hunter2');
  });

  test('text that is no JSON, a file others can read and one too large are refused with what to do', async () => {
    const path = join(dir, 'a.json');
    await writeFile(path, '{"id":');
    await expect(readJsonFile(path, schema)).rejects.toThrow('is not JSON');
    await chmod(path, 0o644);
    await expect(readJsonFile(path, schema, { modeMax: 0o600 })).rejects.toThrow(`chmod 0600 ${path}`);
    await expect(readJsonFile(path, schema, { bytesMax: 3 })).rejects.toThrow('at most 3');
  });
});

describe('process identity', () => {
  test('this process is alive; the same pid with another start time is not', () => {
    const startTicks = processStartTicks(process.pid) as number;
    expect(isProcessAlive({ pid: process.pid, startTicks })).toBe(true);
    expect(isProcessAlive({ pid: process.pid, startTicks: startTicks - 1 })).toBe(false);
  });

  test('a command name with spaces and parentheses does not shift the fields', () => {
    const rest = 'S 1 42 41 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 9876 0 0';
    expect(parseProcessStat(`77 (a) S 9 (b)) ${rest}`)).toEqual({
      pid: 77,
      state: 'S',
      parent: 1,
      group: 42,
      session: 41,
      startTicks: 9876,
      kernel: false,
    });
    expect(parseProcessStat('13 (kworker/R-mm) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 0 -20 1 0 5 0')?.kernel).toBe(
      true,
    );
    expect(parseProcessStat('')).toBeUndefined();
  });
});

test('timers do not fire early, and one longer than 2^31 ms does not fire at once', async () => {
  const begun = systemClock.mono();
  let fired = false;
  const long = systemClock.timer(2 ** 31 + 5, () => {
    fired = true;
  });
  await new Promise<void>((resolve) => systemClock.timer(20.5, resolve));
  expect(systemClock.mono() - begun).toBeGreaterThanOrEqual(20.5);
  expect(fired).toBe(false);
  long.cancel();
});

test('random numbers lie in [0, 1) and differ', () => {
  const drawn = Array.from({ length: 1000 }, () => systemRandom.next());
  expect(drawn.every((x) => x >= 0 && x < 1)).toBe(true);
  expect(new Set(drawn).size).toBe(1000);
});

test('random bytes come in any length, no two alike, and stay what they were', () => {
  for (const length of [0, 1, 7, 1_024, 1_025, 10_000]) expect(systemRandom.bytes(length)).toHaveLength(length);
  // Enough for several stocks, of a length that does not divide one.
  const kept = Array.from({ length: 2_000 }, () => systemRandom.bytes(13));
  const texts = kept.map((bytes) => Buffer.from(bytes).toString('hex'));
  expect(new Set(texts).size).toBe(2_000);
  systemRandom.bytes(4_096);
  expect(kept.map((bytes) => Buffer.from(bytes).toString('hex'))).toEqual(texts);
});

test('host facts are of this host', () => {
  const facts = hostFacts();
  expect(facts.os).toBe(process.platform);
  expect(facts.cpus).toBeGreaterThan(0);
  expect(facts.memoryBytes).toBeGreaterThan(16 * 2 ** 20);
});

test('log lines are JSON with bound ids, and fields that hold secrets are censored at three depths', () => {
  const lines: string[] = [];
  const logger = createLogger({
    name: 'daemon',
    level: 'info',
    bind: { node: 'nod_x' },
    destination: { write: (line) => lines.push(line) },
  });
  logger.debug('not written');
  logger.info({ token: 'hunter2', a: { password: 'hunter2', b: { authorization: 'hunter2' } } }, 'joined');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] as string)).toMatchObject({ level: 'info', name: 'daemon', node: 'nod_x', msg: 'joined' });
  expect(lines[0]).not.toContain('hunter2');
});

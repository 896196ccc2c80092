import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { lockDataDir } from './data-dir-lock.ts';

/** A daemon that locks, says so, and waits to be killed; exits 7 when refused. */
const HOLDER = `
  import { lockDataDir } from ${JSON.stringify(fileURLToPath(new URL('./data-dir-lock.ts', import.meta.url)))};
  lockDataDir(process.argv[2]).then(
    () => { process.stdout.write('locked'); setInterval(() => {}, 1e6); },
    (error) => { process.stdout.write(error.code); process.exitCode = 7; },
  );`;

let base: string;
let script: string;
let dir: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'boi-lock-build-'));
  script = join(base, 'holder.mjs');
  await build({
    stdin: { contents: HOLDER, resolveDir: fileURLToPath(new URL('.', import.meta.url)), loader: 'ts' },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@boi/source'],
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  return () => rm(base, { recursive: true });
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-lock-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  await rm(dir, { recursive: true });
});

async function holder(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [script, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [data] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  return { child, said: String(data) };
}

test('a second daemon is refused with the pid of the first, and let in once that one released', async () => {
  const first = await lockDataDir(dir);
  await expect(lockDataDir(dir)).rejects.toMatchObject({
    code: 'identity-in-use',
    message: expect.stringContaining(`pid ${process.pid}`),
  });
  await first.release();
  await first.release();
  const second = await lockDataDir(dir);
  await second.release();
  expect(await readdir(dir)).toEqual([]);
});

test('the lock of a daemon that was killed with SIGKILL is taken over without cleaning by hand', async () => {
  const { child, said } = await holder();
  expect(said).toBe('locked');
  await expect(lockDataDir(dir)).rejects.toMatchObject({ code: 'identity-in-use', details: { pid: child.pid } });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const mine = await lockDataDir(dir);
  await mine.release();
});

test('a daemon stopped with SIGSTOP still holds its lock', async () => {
  const { child } = await holder();
  child.kill('SIGSTOP');
  for (let i = 0; i < 3; i++) await expect(lockDataDir(dir)).rejects.toMatchObject({ code: 'identity-in-use' });
  child.kill('SIGCONT');
});

test('of many that start at once over the leavings of a killed one, exactly one gets the lock', async () => {
  const { child } = await holder();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const outcomes = await Promise.all([holder(), holder(), holder(), holder()]);
  expect(outcomes.map((o) => o.said).sort()).toEqual([
    'identity-in-use',
    'identity-in-use',
    'identity-in-use',
    'locked',
  ]);
});

test('many contenders inside one process: one wins', async () => {
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dir)));
  const won = results.filter((r) => r.status === 'fulfilled');
  expect(won).toHaveLength(1);
  await won[0]?.value.release();
});

test('a directory with a very long path can be locked', async () => {
  const deep = join(dir, 'd'.repeat(100), 'e'.repeat(100));
  await mkdir(deep, { recursive: true });
  const lock = await lockDataDir(deep);
  await expect(lockDataDir(deep)).rejects.toMatchObject({ code: 'identity-in-use' });
  await lock.release();
});

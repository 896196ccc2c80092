/** What every way to start a program keeps to: real processes. */
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { inheritableDescriptors, readProcessStat } from '@boi/system';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeSpawn } from './node-spawn.ts';
import { PosixSpawner } from './posix-spawn.ts';
import type { Spawned, SpawnRequest } from './spawned.ts';

const PATH = '/usr/bin:/bin';
let dir: string;
let posix: PosixSpawner;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-spawn-'));
  posix = await PosixSpawner.load();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const ways: [string, (request: SpawnRequest) => Promise<Spawned>][] = [
  ['posix_spawn', async (request) => posix.spawn(request)],
  ['Node', (request) => nodeSpawn(request)],
];

describe.each(ways)('a program started by %s', (_name, spawn) => {
  const start = (program: string, args: readonly string[] = [], more: Partial<SpawnRequest> = {}) =>
    spawn({ program, args, cwd: dir, env: { PATH }, ...more });
  const ended = async (program: string, args?: readonly string[], more?: Partial<SpawnRequest>) => {
    const child = await start(program, args, more);
    const [out, err, exit] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
    return { out, err, ...exit };
  };
  const problem = (program: string, args?: readonly string[], more?: Partial<SpawnRequest>) =>
    start(program, args, more).then(
      () => 'started',
      (error: NodeJS.ErrnoException) => error.code,
    );

  it('has its arguments, directory, environment and both outputs', async () => {
    const script = 'printf "%s|" "$0" "$@" "$PWD" "$NAME"; env | wc -l; echo problem >&2; exit 7';
    const found = await ended('sh', ['-c', script, 'name', 'zwei Wörter', ''], { env: { PATH, NAME: 'ä b' } });
    // PATH, NAME, and what the shell sets itself.
    expect(found.out).toMatch(new RegExp(`^name\\|zwei Wörter\\|\\|${dir}\\|ä b\\|\\d\n$`));
    expect(found).toMatchObject({ err: 'problem\n', exitCode: 7, signal: undefined });
  });

  it('sees of its name what was asked for, not where it was found', async () => {
    const found = await ended('cat', ['/proc/self/cmdline']);
    expect(found.out).toBe('cat\0/proc/self/cmdline\0');
  });

  it('leads a session of its own', async () => {
    const child = await start('sleep', ['60']);
    expect(readProcessStat(child.pid)).toMatchObject({ parent: process.pid, group: child.pid, session: child.pid });
    process.kill(-child.pid, 'SIGTERM');
    expect(await child.exited).toEqual({ exitCode: undefined, signal: 'SIGTERM' });
  });

  it('reads nothing, and has no descriptor but the standard three', async () => {
    const found = await ended('sh', ['-c', 'cat; ls /proc/self/fd | tr "\\n" " "']);
    // The fourth is the directory that is being listed; whoever started this test may have left it some that stay open.
    const expected = ['0', '1', '2', '3', ...inheritableDescriptors().map(String)].sort();
    expect(found.out.trim().split(' ').sort()).toEqual(expected);
  });

  it('has no signal blocked or ignored', async () => {
    const found = await ended('cat', ['/proc/self/status']);
    expect(found.out).toMatch(/^SigBlk:\t0+$/m);
    // But for 32 and 33, which the C library keeps for itself and sets again in a program that has threads.
    expect(found.out).toMatch(/^SigIgn:\t0{7}[01]80000000$|^SigIgn:\t0+$/m);
  });

  it('is told from one that does not exist, may not be run, or has no directory', async () => {
    await writeFile(join(dir, 'closed'), '#!/bin/sh\n', { mode: 0o644 });
    expect(await problem('no-such-program')).toBe('ENOENT');
    expect(await problem('')).not.toBe('started');
    expect(await problem('./nothing')).toBe('ENOENT');
    expect(await problem('./closed')).toBe('EACCES');
    expect(await problem('closed', [], { env: { PATH: `${dir}:/usr/bin` } })).toBe('EACCES');
    expect(await problem('true', [], { cwd: join(dir, 'gone') })).toBe('ENOENT');
    expect(await problem('true', ['x'.repeat(200_000)])).toBe('E2BIG');
    expect(await problem('true', ['a\0b'])).not.toBe('started');
  });

  it('is found as a shell finds it: in order, past what may not be run, from its own directory', async () => {
    const [first, second] = [join(dir, 'first'), join(dir, 'second')];
    await mkdir(first, { recursive: true });
    await mkdir(second, { recursive: true });
    await writeFile(join(first, 'tool'), '#!/bin/sh\necho first', { mode: 0o644 });
    await writeFile(join(second, 'tool'), '#!/bin/sh\necho second', { mode: 0o755 });
    expect((await ended('tool', [], { env: { PATH: `${first}:${second}` } })).out).toBe('second\n');
    expect((await ended('tool', [], { env: { PATH: 'second' } })).out).toBe('second\n');
    expect((await ended('./tool', [], { cwd: second })).out).toBe('second\n');
    expect((await ended('true', [], { env: {} })).exitCode).toBe(0);
  });

  it('may be a text without a first line that says what runs it', async () => {
    await writeFile(join(dir, 'plain'), 'echo "$# $1"\n', { mode: 0o755 });
    expect((await ended('./plain', ['a b'])).out).toBe('1 a b\n');
  });

  it('writes as much as it likes, and opens its outputs by name', async () => {
    const many = await ended('sh', ['-c', 'head -c 3000000 /dev/zero; head -c 1000000 /dev/zero >&2']);
    expect([many.out.length, many.err.length]).toEqual([3_000_000, 1_000_000]);
  });

  it('leaves no descriptor and no zombie behind, hundreds of times and at once', async () => {
    const before = (await readdir('/proc/self/fd')).length;
    const pids = new Set<number>();
    for (let round = 0; round < 5; round++) {
      await Promise.all(
        Array.from({ length: 40 }, async (_, i) => {
          const child = await start('sh', ['-c', `echo ${i}; exit ${i}`]);
          pids.add(child.pid);
          const [out, , exit] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
          expect([out, exit.exitCode]).toEqual([`${i}\n`, i]);
        }),
      );
      for (let i = 0; i < 20; i++) expect(await problem('no-such-program')).toBe('ENOENT');
    }
    expect([...pids].filter((pid) => readProcessStat(pid)?.parent === process.pid)).toEqual([]);
    expect((await readdir('/proc/self/fd')).length).toBeLessThanOrEqual(before + 2);
  });
});

describe('posix_spawn', () => {
  it('lets a program open its outputs by name, which Node, with sockets for pipes, does not', async () => {
    const child = posix.spawn({ program: 'sh', args: ['-c', 'echo named >/dev/stdout'], cwd: dir, env: { PATH } });
    expect(await text(child.stdout)).toBe('named\n');
    expect(await child.exited).toEqual({ exitCode: 0, signal: undefined });
  });

  it('leaves the children of others to them', async () => {
    const mine = posix.spawn({ program: 'sleep', args: ['60'], cwd: dir, env: { PATH } });
    const theirs = await nodeSpawn({ program: 'sh', args: ['-c', 'exit 3'], cwd: dir, env: { PATH } });
    expect(await theirs.exited).toEqual({ exitCode: 3, signal: undefined });
    process.kill(mine.pid, 'SIGKILL');
    expect(await mine.exited).toEqual({ exitCode: undefined, signal: 'SIGKILL' });
  });

  it('collects an exit of which no signal tells', async () => {
    const own = await PosixSpawner.load();
    const child = own.spawn({
      program: 'sh',
      args: ['-c', 'read -r line </dev/stdin; exit 5'],
      cwd: dir,
      env: { PATH },
    });
    // It has just been added, and the exit is not heard before this turn of the loop is over.
    process.off('SIGCHLD', process.listeners('SIGCHLD').at(-1) as NodeJS.SignalsListener);
    expect(await child.exited).toEqual({ exitCode: 5, signal: undefined });
  });

  it('follows links to a program', async () => {
    await symlink('/bin/true', join(dir, 'link'));
    const child = posix.spawn({ program: './link', args: [], cwd: dir, env: { PATH } });
    expect((await child.exited).exitCode).toBe(0);
  });
});

async function text(stream: Readable): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

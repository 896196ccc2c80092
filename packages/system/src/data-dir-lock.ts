/**
 * One daemon per data directory. Node offers no flock, and a pid in a file lies after a crash, in another container, or
 * once the pid is reused. So the lock is a listening Unix socket in the directory: the kernel alone decides whether it is
 * alive (a connect is refused as soon as its process is gone, whatever killed it), across pid and network namespaces.
 *
 * Protocol, free of races without any compare-and-swap in the file system: each contender raises its own flag (a socket
 * under a unique name), *then* looks at all others. Of two contenders at least one sees the other, so never do both go in.
 *  - Another flag is alive: lower the own one; if the other only contends too, try again after a random pause, else refuse.
 *  - Another flag is dead: remove it. Its name is unique, so nobody's live flag can be removed by mistake. One exception: a
 *    flag looks dead between bind and listen. Its owner notices: it looks after listening, when the remover's own flag
 *    is still up, and checks that its own is still there.
 *
 * A flag ends in `.trying`; a holder's has a second name (a hard link, since a renamed file can escape somebody's listing)
 * that ends in `.lock`. The pid in the name is for people. The socket's path goes through `/proc/self/fd`, since socket
 * addresses end at 107 bytes.
 */
import { type FileHandle, link, mkdir, open, readdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { BoiError, type Clock, type Random, randomHex, sleep } from '@boi/core';
import { systemClock } from './clock.ts';
import { systemRandom } from './random.ts';

const FLAG = /^daemon\.(\d+)\.[0-9a-f]{16}\.(trying|lock)$/;
/** Contenders at the same moment give way to each other this often before they give up. */
const ROUNDS_MAX = 20;
const PAUSE_MS_MAX = 50;

export interface DataDirLock {
  readonly dir: string;
  /** Lets another daemon in. Once is enough; more do nothing. */
  release(): Promise<void>;
}

export interface LockOptions {
  readonly clock?: Clock;
  readonly random?: Random;
}

/**
 * Locks `dir` (made if absent, mode 0700) for the life of this process. Throws `identity-in-use`, naming the holder's pid,
 * when a live daemon has it. A holder that was killed leaves nothing that must be cleaned by hand.
 */
export async function lockDataDir(dir: string, options: LockOptions = {}): Promise<DataDirLock> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const handle = await open(dir, 'r');
  const path = (name: string) => `/proc/self/fd/${handle.fd}/${name}`;
  try {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const flag = await raise(path, `daemon.${process.pid}.${randomHex(random, 8)}`);
      const other = await liveOther(dir, path, flag.trying);
      if (other === undefined && (await exists(path(flag.trying)))) {
        await link(path(flag.trying), path(flag.held));
        return heldLock(dir, handle, flag.server, [path(flag.held), path(flag.trying)]);
      }
      await lower(flag.server, [path(flag.trying)]);
      if (other?.held === true) throw inUse(dir, other.pid);
      await sleep(clock, random.next() * PAUSE_MS_MAX);
    }
    throw new BoiError('identity-in-use', `other daemons keep trying to lock ${dir}; start one at a time`);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function inUse(dir: string, pid: number): BoiError {
  return new BoiError(
    'identity-in-use',
    `${dir} is in use by another daemon (pid ${pid}); stop it first, or give this one its own --data-dir`,
    { details: { dir, pid } },
  );
}

type PathOf = (name: string) => string;

async function raise(path: PathOf, name: string): Promise<{ server: Server; trying: string; held: string }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path: path(`${name}.trying`) }, resolve);
  });
  server.unref();
  return { server, trying: `${name}.trying`, held: `${name}.lock` };
}

async function lower(server: Server, paths: readonly string[]): Promise<void> {
  for (const path of paths) await unlink(path).catch(ignoreMissing);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
}

/** A live flag other than `own`, a holder's before a contender's. Removes the dead ones. */
async function liveOther(dir: string, path: PathOf, own: string): Promise<{ pid: number; held: boolean } | undefined> {
  let found: { pid: number; held: boolean } | undefined;
  for (const name of await readdir(dir)) {
    const match = FLAG.exec(name);
    if (match === null || name === own) continue;
    const answer = await probe(path(name));
    if (answer === 'dead') await unlink(path(name)).catch(ignoreMissing);
    // Lowered since the listing: it contended at the same moment, so give way and look again.
    else if (answer === 'gone') found ??= { pid: Number(match[1]), held: false };
    else if (found?.held !== true) found = { pid: Number(match[1]), held: match[2] === 'lock' };
  }
  return found;
}

/** Anything but a refusal counts as alive: a stopped process with a full backlog answers EAGAIN. */
function probe(path: string): Promise<'alive' | 'dead' | 'gone'> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve('alive');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'ECONNREFUSED' ? 'dead' : error.code === 'ENOENT' ? 'gone' : 'alive');
    });
  });
}

function heldLock(dir: string, handle: FileHandle, server: Server, paths: readonly string[]): DataDirLock {
  let released: Promise<void> | undefined;
  const release = async () => {
    await lower(server, paths);
    await handle.close();
  };
  return {
    dir: join(dir),
    release: () => {
      released ??= release();
      return released;
    },
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/**
 * Starts programs with the C library's `posix_spawn`, which lends the parent's memory to the child until it runs its program.
 * Node's own `spawn` forks: it copies the page tables of the whole daemon for each task, and each page that the daemon writes afterwards
 * is copied too (measured: decision 040). Programs are children of this process either way.
 *
 * Node does not know these children, so their exits are collected here: at each SIGCHLD every child of this module is asked for, and no
 * other, so what Node started is left to Node. The child starts as Node would start it: own session, no signal blocked or ignored, no
 * descriptor but the standard three (all others close on exec), a text without `#!` run by `/bin/sh`, as `execvp` does.
 */
import { statSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { resolve as resolvePath } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { Exit, Spawned, SpawnRequest } from './spawned.ts';

/** POSIX_SPAWN_SETSIGDEF, POSIX_SPAWN_SETSIGMASK, POSIX_SPAWN_SETSID of <spawn.h>; the same in glibc and musl. */
const SPAWN_FLAGS = 0x04 | 0x08 | 0x80;
/** O_CLOEXEC of <fcntl.h> on every Linux but for Alpha, PA-RISC and SPARC, for which there is no Node. */
const O_CLOEXEC = 0o2000000;
const O_RDWR = 2;
const WNOHANG = 1;
/** More than sizeof(posix_spawnattr_t), 336, and sizeof(posix_spawn_file_actions_t), 80, of either library. */
const STRUCT_BYTES = 1_024;
/** sizeof(sigset_t). */
const SIGSET_BYTES = 128;
/** Where `execvp` looks when there is no PATH: confstr(_CS_PATH). */
const PATH_DEFAULT = '/bin:/usr/bin';
/** Children are also asked for after this long without a signal: signals merge, and a listener of another's making may be removed. */
const ASK_EVERY_MS = 1_000;

/** Runs what the kernel does not take for a program, as `execvp` has it. */
const SHELL = '/bin/sh';

const SIGNAL_NAMES = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));

interface Library {
  pipe2(fds: Int32Array, flags: number): number;
  close(fd: number): number;
  waitpid(pid: number, status: Int32Array, flags: number): number;
  posix_spawn(
    pid: Int32Array,
    path: string,
    actions: Buffer,
    attributes: Buffer,
    argv: (string | null)[],
    env: (string | null)[],
  ): number;
  posix_spawn_file_actions_init(actions: Buffer): number;
  posix_spawn_file_actions_addopen(actions: Buffer, fd: number, path: string, flags: number, mode: number): number;
  posix_spawn_file_actions_adddup2(actions: Buffer, fd: number, newFd: number): number;
  posix_spawn_file_actions_addchdir_np(actions: Buffer, path: string): number;
  posix_spawn_file_actions_destroy(actions: Buffer): number;
  posix_spawnattr_init(attributes: Buffer): number;
  posix_spawnattr_setflags(attributes: Buffer, flags: number): number;
  posix_spawnattr_setsigdefault(attributes: Buffer, signals: Buffer): number;
  posix_spawnattr_setsigmask(attributes: Buffer, signals: Buffer): number;
  sigfillset(signals: Buffer): number;
  sigemptyset(signals: Buffer): number;
}

const PROTOTYPES: Record<keyof Library, string> = {
  pipe2: 'int pipe2(int *fds, int flags)',
  close: 'int close(int fd)',
  waitpid: 'int waitpid(int pid, int *status, int flags)',
  posix_spawn: 'int posix_spawn(int *pid, const char *path, void *actions, void *attributes, char **argv, char **env)',
  posix_spawn_file_actions_init: 'int posix_spawn_file_actions_init(void *actions)',
  posix_spawn_file_actions_addopen:
    'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, uint32_t mode)',
  posix_spawn_file_actions_adddup2: 'int posix_spawn_file_actions_adddup2(void *actions, int fd, int newFd)',
  posix_spawn_file_actions_addchdir_np: 'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
  posix_spawn_file_actions_destroy: 'int posix_spawn_file_actions_destroy(void *actions)',
  posix_spawnattr_init: 'int posix_spawnattr_init(void *attributes)',
  posix_spawnattr_setflags: 'int posix_spawnattr_setflags(void *attributes, int16_t flags)',
  posix_spawnattr_setsigdefault: 'int posix_spawnattr_setsigdefault(void *attributes, void *signals)',
  posix_spawnattr_setsigmask: 'int posix_spawnattr_setsigmask(void *attributes, void *signals)',
  sigfillset: 'int sigfillset(void *signals)',
  sigemptyset: 'int sigemptyset(void *signals)',
};

export class PosixSpawner {
  readonly #lib: Library;
  readonly #errno: () => number;
  readonly #attributes = Buffer.alloc(STRUCT_BYTES);
  readonly #children = new Map<number, (exit: Exit) => void>();
  #asking: NodeJS.Timeout | undefined;
  #listening = false;

  private constructor(lib: Library, errno: () => number) {
    this.#lib = lib;
    this.#errno = errno;
    const signals = Buffer.alloc(SIGSET_BYTES);
    lib.posix_spawnattr_init(this.#attributes);
    lib.posix_spawnattr_setflags(this.#attributes, SPAWN_FLAGS);
    lib.sigfillset(signals);
    lib.posix_spawnattr_setsigdefault(this.#attributes, signals);
    lib.sigemptyset(signals);
    lib.posix_spawnattr_setsigmask(this.#attributes, signals);
  }

  /** Rejects where the C library cannot be called, or lacks a function. */
  static async load(): Promise<PosixSpawner> {
    const { default: koffi } = await import('koffi');
    const symbols = koffi.load(null);
    const entries = Object.entries(PROTOTYPES).map(([name, prototype]) => [name, symbols.func(prototype)] as const);
    return new PosixSpawner(Object.fromEntries(entries) as unknown as Library, () => koffi.errno());
  }

  /** Throws an error whose `code` is an errno's name, as Node's spawn does. The caller's event loop waits until the program runs. */
  spawn({ program, args, cwd, env }: SpawnRequest): Spawned {
    const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    // A C string would end there, unnoticed.
    for (const text of [program, cwd, ...args, ...environment]) {
      if (text.includes('\0')) throw withCode(new Error('a NUL in a command or its environment'), 'EINVAL');
    }
    const out = this.#pipe();
    let err: Pipe | undefined;
    try {
      err = this.#pipe();
      const command = {
        paths: candidates(program, cwd, env),
        argv: [program, ...args],
        env: [...environment, null],
        cwd,
      };
      const pid = this.#start(command, out.write, err.write);
      const exited = new Promise<Exit>((resolve) => this.#children.set(pid, resolve));
      this.#listen();
      return { pid, stdout: readable(out), stderr: readable(err), exited };
    } catch (error) {
      this.#lib.close(out.read);
      if (err !== undefined) this.#lib.close(err.read);
      throw error;
    } finally {
      this.#lib.close(out.write);
      if (err !== undefined) this.#lib.close(err.write);
    }
  }

  #pipe(): Pipe {
    const fds = new Int32Array(2);
    if (this.#lib.pipe2(fds, O_CLOEXEC) !== 0) throw systemError(this.#errno(), 'pipe2');
    return { read: fds[0] as number, write: fds[1] as number };
  }

  /** The first of the paths that can be run; what stands there and may not be run is told if nothing else can. */
  #start({ paths, argv, env, cwd }: Command, out: number, err: number): number {
    const lib = this.#lib;
    const actions = Buffer.alloc(STRUCT_BYTES);
    lib.posix_spawn_file_actions_init(actions);
    try {
      lib.posix_spawn_file_actions_addopen(actions, 0, '/dev/null', O_RDWR, 0);
      lib.posix_spawn_file_actions_adddup2(actions, out, 1);
      lib.posix_spawn_file_actions_adddup2(actions, err, 2);
      lib.posix_spawn_file_actions_addchdir_np(actions, cwd);
      const pid = new Int32Array(1);
      const run = (path: string, args: readonly string[]) =>
        lib.posix_spawn(pid, path, actions, this.#attributes, [...args, null], env);
      let problem: number = ENOENT;
      for (const path of paths) {
        let errno = run(path, argv);
        if (errno === constants.errno.ENOEXEC) errno = run(SHELL, [SHELL, path, ...argv.slice(1)]);
        if (errno === 0) return pid[0] as number;
        if (problem !== EACCES) problem = errno;
        if (!PASSED_OVER.has(errno)) break;
      }
      throw systemError(problem, `spawn ${argv[0]}`);
    } finally {
      lib.posix_spawn_file_actions_destroy(actions);
    }
  }

  #listen(): void {
    if (!this.#listening) {
      this.#listening = true;
      process.on('SIGCHLD', () => this.#collect());
    }
    this.#asking ??= setInterval(() => this.#collect(), ASK_EVERY_MS);
  }

  #collect(): void {
    const status = new Int32Array(1);
    for (const [pid, onExit] of this.#children) {
      const answer = this.#lib.waitpid(pid, status, WNOHANG);
      if (answer === 0) continue;
      this.#children.delete(pid);
      // Less than 0: somebody else has collected it, and how it ended is not known.
      onExit(answer === pid ? exitOf(status[0] as number) : { exitCode: undefined, signal: undefined });
    }
    if (this.#children.size > 0) return;
    clearInterval(this.#asking);
    this.#asking = undefined;
  }
}

interface Command {
  readonly paths: readonly string[];
  readonly argv: readonly string[];
  readonly env: (string | null)[];
  readonly cwd: string;
}

interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** `execvp` goes on to the next directory after these. */
const { EACCES, ENOENT, ENOTDIR, ESTALE, ENODEV, ETIMEDOUT } = constants.errno;
const PASSED_OVER = new Set<number>([EACCES, ENOENT, ENOTDIR, ESTALE, ENODEV, ETIMEDOUT]);

/** Where a program may be: its own path, or one in each directory of its PATH in which there is something of that name. */
function candidates(program: string, cwd: string, env: Readonly<Record<string, string>>): string[] {
  if (program.includes('/')) return [program];
  if (program === '') return [];
  const dirs = (env.PATH ?? PATH_DEFAULT).split(':');
  return dirs.map((dir) => resolvePath(cwd, dir, program)).filter(exists);
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true; // A directory that may not be searched: running it says so.
  }
}

function readable({ read }: Pipe): Socket {
  return new Socket({ fd: read, readable: true, writable: false });
}

/** Of a status as waitpid(2) fills it in. */
function exitOf(status: number): Exit {
  const signal = status & 0x7f;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff, signal: undefined };
  return { exitCode: undefined, signal: SIGNAL_NAMES.get(signal) ?? `SIG${signal}` };
}

function systemError(errno: number, what: string): Error {
  const code = getSystemErrorName(-errno);
  return withCode(new Error(`${what} ${code}`), code);
}

function withCode(error: Error, code: string): Error {
  return Object.assign(error, { code });
}

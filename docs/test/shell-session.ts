/**
 * One bash in which the blocks of a page are run in order, as by a reader who types them: variables, functions and background
 * jobs live on from block to block. A command that fails prints `[exit N]` after its own output. The ports and the folder
 * that the page names are replaced by free ones of this run, and put back in what is printed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';

/** The folder in which pages keep everything. */
const PAGE_DIR = '/tmp/boi';
/** A loopback port up to its last digit, which may be a variable of the page: `127.0.0.1:744$i`. */
const PAGE_PORT = /127\.0\.0\.1:(\d{3})(?=[\d$])/g;
/** Tens of ports to draw from: below those that systems give out by themselves. */
const TENS = { from: 1100, to: 3200 } as const;

export interface ShellSessionOptions {
  readonly cwd: string;
  /** Folders put before the rest of PATH. */
  readonly path: readonly string[];
}

export class ShellSession {
  readonly #dir: string;
  readonly #bash: ChildProcess;
  readonly #done: Interface;
  /** Rejects when the shell ends. */
  readonly #ended: Promise<never>;
  readonly #toRun = new Map<string, string>();
  #blocks = 0;

  private constructor(dir: string, bash: ChildProcess) {
    this.#dir = dir;
    this.#bash = bash;
    this.#done = createInterface({ input: bash.stdio[3] as Readable });
    this.#ended = once(bash, 'exit').then(([code]) => {
      throw new Error(`the shell ended with ${code}`);
    });
    // At the end of the session nobody waits for it.
    this.#ended.catch(() => undefined);
  }

  static async open({ cwd, path }: ShellSessionOptions): Promise<ShellSession> {
    const dir = await mkdtemp(join(tmpdir(), 'boi-docs-'));
    await mkdir(join(dir, 'home'));
    const { PATH, TMPDIR, LANG } = process.env;
    const bash = spawn('bash', ['--noprofile', '--norc'], {
      cwd,
      // A process group of its own, for the end.
      detached: true,
      env: { PATH: [...path, PATH].join(':'), HOME: join(dir, 'home'), TMPDIR, LANG, NO_COLOR: '1' },
      stdio: ['pipe', 'ignore', 'inherit', 'pipe'],
    });
    const session = new ShellSession(dir, bash);
    bash.stdin?.write(`trap 'printf "[exit %d]\\n" $?' ERR\n`);
    return session;
  }

  /** Answers what the block printed on both streams. */
  async run(commands: string, withinMs: number): Promise<string> {
    const number = ++this.#blocks;
    const script = join(this.#dir, `block-${number}`);
    const printed = join(this.#dir, `printed-${number}`);
    // The last word keeps a failure of the block's last command from being told twice.
    writeFileSync(script, `${await this.#translated(commands)}\n:\n`);
    const answer = once(this.#done, 'line', { signal: AbortSignal.timeout(withinMs) });
    this.#bash.stdin?.write(`. ${script} </dev/null >${printed} 2>&1 3>&-; echo ${number} >&3\n`);
    try {
      await Promise.race([answer, this.#ended]);
    } catch (error) {
      const what = error instanceof Error && error.name === 'AbortError' ? `not within ${withinMs / 1000} s` : error;
      throw new Error(`${what}; so far it printed:\n${this.#asOnThePage(readFileSync(printed, 'utf8'))}`);
    }
    return this.#asOnThePage(readFileSync(printed, 'utf8'));
  }

  /** Ends the shell and all it began; what a daemon ran is ended by the daemon's guard. */
  async stop(): Promise<void> {
    const { pid } = this.#bash;
    const exited = once(this.#bash, 'exit');
    if (pid !== undefined && this.#bash.exitCode === null && this.#bash.signalCode === null) {
      process.kill(-pid, 'SIGCONT');
      process.kill(-pid, 'SIGKILL');
      await exited;
    }
    await rm(this.#dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  async #translated(commands: string): Promise<string> {
    for (const [, ten] of commands.matchAll(PAGE_PORT)) {
      const key = `127.0.0.1:${ten}`;
      if (!this.#toRun.has(key)) this.#toRun.set(key, `127.0.0.1:${await this.#freeTen()}`);
    }
    let text = commands.replaceAll(PAGE_PORT, (key) => this.#toRun.get(key) ?? key);
    text = text.replaceAll(PAGE_DIR, join(this.#dir, 'boi'));
    return text;
  }

  #asOnThePage(text: string): string {
    let page = text.replaceAll(join(this.#dir, 'boi'), PAGE_DIR).replaceAll(this.#dir, '');
    for (const [key, run] of this.#toRun) page = page.replaceAll(new RegExp(`${run}(?=\\d)`, 'g'), key);
    return page;
  }

  async #freeTen(): Promise<number> {
    for (let tries = 0; tries < 100; tries++) {
      const ten = TENS.from + Math.floor(Math.random() * (TENS.to - TENS.from));
      if ([...this.#toRun.values()].includes(`127.0.0.1:${ten}`)) continue;
      const free = await Promise.all(Array.from({ length: 10 }, (_, i) => isFree(10 * ten + i)));
      if (free.every(Boolean)) return ten;
    }
    throw new Error('no ten free ports in a row');
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const free = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (free) await new Promise((resolve) => server.close(resolve));
  return free;
}

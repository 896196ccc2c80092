/**
 * A user's shell on a laptop: the built command with a configuration directory of its own and nothing else of this process's
 * environment. What it knows of the cluster is a context.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { COMMAND } from './build.ts';
import { until } from './until.ts';

export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export class Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly done: Promise<Outcome>;
  stdout = '';
  stderr = '';

  constructor(child: ChildProcessWithoutNullStreams, stdin: string) {
    this.child = child;
    const started = performance.now();
    child.stdout.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString('latin1');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    // A command that does not read its input closes it early.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    this.done = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        const { stdout, stderr } = this;
        resolve({ code, signal, stdout, stderr, tookMs: performance.now() - started });
      });
    });
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.child.kill('SIGINT');
  }

  async until(what: string, seen: (output: Running) => boolean, withinMs = 20_000): Promise<void> {
    await until(what, () => seen(this), withinMs).catch((error: Error) => {
      throw new Error(`${error.message}\nstdout: ${this.stdout.slice(-2_000)}\nstderr: ${this.stderr.slice(-2_000)}`);
    });
  }
}

export class Shell {
  readonly #configDir: string;

  private constructor(configDir: string) {
    this.#configDir = configDir;
  }

  /** `endpoints` become its only context. */
  static async open(dir: string, endpoints: readonly string[]): Promise<Shell> {
    await mkdir(dir, { recursive: true });
    const shell = new Shell(join(dir, 'config'));
    await shell.ok(['context', 'add', 'here', ...endpoints]);
    return shell;
  }

  /** Without a context. */
  static async bare(dir: string): Promise<Shell> {
    await mkdir(dir, { recursive: true });
    return new Shell(join(dir, 'config'));
  }

  start(words: readonly string[], stdin = ''): Running {
    return new Running(spawn(process.execPath, [COMMAND, ...words], { env: this.#env() }), stdin);
  }

  run(words: readonly string[], stdin = ''): Promise<Outcome> {
    return this.start(words, stdin).done;
  }

  /** Standard output of a command that must exit 0. */
  async ok(words: readonly string[], stdin = ''): Promise<string> {
    const { code, stdout, stderr } = await this.run(words, stdin);
    if (code !== 0) throw new Error(`boi-node ${words.join(' ')} ended with ${code}:\n${stderr}${stdout}`);
    return stdout;
  }

  /** What it prints with `-o json`. */
  async json<T>(words: readonly string[]): Promise<T> {
    return JSON.parse(await this.ok([...words, '-o', 'json'])) as T;
  }

  #env(): NodeJS.ProcessEnv {
    const { PATH, HOME, TMPDIR } = process.env;
    return { PATH, HOME, TMPDIR, BOI_CONFIG_DIR: this.#configDir };
  }
}

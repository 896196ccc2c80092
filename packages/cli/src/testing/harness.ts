/** Runs commands in process against captured streams and an own configuration directory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import type { Io, Output } from '../io.ts';
import { runCli } from '../run-cli.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly terminal?: boolean;
  readonly now?: number;
  /** To look at standard output while the command runs; it emits `taken`. */
  readonly stdout?: Captured;
  /** Called with what is Ctrl-C for the command, once it listens. */
  readonly onListen?: (interrupt: () => void) => void;
}

export class Captured extends Writable {
  readonly isTTY: boolean;
  readonly columns = 100;
  text = '';

  constructor(terminal: boolean) {
    super({ decodeStrings: false });
    this.isTTY = terminal;
  }

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.emit('taken');
    done();
  }
}

export class Home {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<Home> {
    return new Home(await mkdtemp(join(tmpdir(), 'boi-cli-')));
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }

  async run(words: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    const terminal = options.terminal ?? false;
    const stdout = options.stdout ?? new Captured(terminal);
    const stderr = new Captured(terminal);
    const io: Io = {
      stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
      stdout: stdout as Output,
      stderr: stderr as Output,
      env: { BOI_CONFIG_DIR: this.directory, ...options.env },
      now: () => options.now ?? Date.now(),
      onInterrupt: (fn) => {
        options.onListen?.(fn);
        return () => undefined;
      },
    };
    const code = await runCli(words, io);
    return { code, stdout: stdout.text, stderr: stderr.text };
  }
}

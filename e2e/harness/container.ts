/** One container: what a person at the machine could do to it, and commands inside it with their output. */
import { PassThrough, type Readable } from 'node:stream';
import type { Container as DockerContainer } from 'dockerode';
import { docker } from './engine.ts';
import { until } from './until.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that may not have ended yet. */
export interface Running {
  stdout(): string;
  stderr(): string;
  readonly ended: Promise<Outcome>;
}

export interface ExecOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  /** Default 60 000. The command is not ended then, only given up. */
  readonly withinMs?: number;
}

export class Container {
  readonly name: string;
  readonly #container: DockerContainer;
  readonly #network: string;

  constructor(name: string, container: DockerContainer, network: string) {
    this.name = name;
    this.#container = container;
    this.#network = network;
  }

  get id(): string {
    return this.#container.id;
  }

  /** Process id on the host of its first process; 0 when it does not run. */
  async pid(): Promise<number> {
    return (await this.#container.inspect()).State.Pid;
  }

  /** Its address in the network of its cluster. */
  async address(): Promise<string> {
    const { Networks } = (await this.#container.inspect()).NetworkSettings;
    const address = Networks[this.#network]?.IPAddress;
    if (!address) throw new Error(`${this.name} is not on its network`);
    return address;
  }

  async state(): Promise<{ readonly running: boolean; readonly exitCode: number; readonly health?: string }> {
    const { State } = await this.#container.inspect();
    return {
      running: State.Running,
      exitCode: State.ExitCode,
      ...(State.Health === undefined ? {} : { health: State.Health.Status }),
    };
  }

  async start(): Promise<void> {
    await this.#container.start();
  }

  /** SIGTERM, and SIGKILL after `graceS`. */
  async stop(graceS = 20): Promise<void> {
    await this.#container.stop({ t: graceS });
  }

  /** To its first process. Default SIGKILL: everything in it is gone at once. */
  async kill(signal = 'SIGKILL'): Promise<void> {
    await this.#container.kill({ signal });
  }

  /** Every process in it stands still, its clock goes on. */
  async pause(): Promise<void> {
    // The kernel may not get hold of every process of a host that begins many of them.
    await until(`${this.name} stands still`, async () => {
      await this.#container.pause();
      return true;
    });
  }

  async unpause(): Promise<void> {
    await this.#container.unpause();
  }

  /** Pulls its cable. */
  async disconnect(): Promise<void> {
    await docker.getNetwork(this.#network).disconnect({ Container: this.id, Force: true });
  }

  async connect(aliases: readonly string[] = [this.name]): Promise<void> {
    await docker
      .getNetwork(this.#network)
      .connect({ Container: this.id, EndpointConfig: { Aliases: [...aliases] } as never });
  }

  /** The container alone: its disk is kept. */
  async remove(): Promise<void> {
    await this.#container.remove({ force: true });
  }

  /** Its exit code, when it has ended. */
  async ended(): Promise<number> {
    return ((await this.#container.wait()) as { StatusCode: number }).StatusCode;
  }

  /** Runs a command in it to its end. */
  async exec(command: readonly string[], options: ExecOptions = {}): Promise<Outcome> {
    return (await this.begin(command, options)).ended;
  }

  /** Begins a command in it: what it has said so far, and its end. */
  async begin(command: readonly string[], options: ExecOptions = {}): Promise<Running> {
    const { stdin, env = {}, user, withinMs = 60_000 } = options;
    const exec = await this.#container.exec({
      Cmd: [...command],
      AttachStdout: true,
      AttachStderr: true,
      AttachStdin: stdin !== undefined,
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(user === undefined ? {} : { User: user }),
    });
    const stream = await exec.start({ hijack: true, stdin: stdin !== undefined });
    const out = collect();
    const err = collect();
    docker.modem.demuxStream(stream, out.stream, err.stream);
    if (stdin !== undefined) {
      stream.write(stdin);
      stream.end();
    }
    const ended = (async () => {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve, reject) => {
        stream.once('end', resolve);
        stream.once('close', resolve);
        stream.once('error', reject);
        timer = setTimeout(() => {
          stream.destroy();
          const said = `${out.text().slice(-1_000)}${err.text().slice(-1_000)}`;
          reject(
            new Error(
              `${this.name}: \`${command.join(' ')}\` did not end within ${withinMs / 1000} s; it said: ${said}`,
            ),
          );
        }, withinMs);
      }).finally(() => clearTimeout(timer));
      const { ExitCode } = await until('the exit code of a command', async () => {
        const { Running, ExitCode } = await exec.inspect();
        return !Running && ExitCode !== null && { ExitCode };
      });
      return { code: ExitCode, stdout: out.text(), stderr: err.text() };
    })();
    // Whoever never looks at the end asked for what was said meanwhile.
    ended.catch(() => undefined);
    return { stdout: out.text, stderr: err.text, ended };
  }

  /** Everything its first process wrote, both streams. */
  async logs(): Promise<string> {
    const buffer = (await this.#container.logs({ stdout: true, stderr: true, timestamps: false })) as unknown as Buffer;
    return framesOf(Buffer.from(buffer));
  }
}

function collect(): { readonly stream: PassThrough; text(): string } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  (stream as Readable).on('data', (chunk: Buffer) => chunks.push(chunk));
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') };
}

/** The engine's framing of two streams in one: a byte for the stream, three of nothing, four of length, then the data. */
function framesOf(buffer: Buffer): string {
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= buffer.length; ) {
    const length = buffer.readUInt32BE(at + 4);
    parts.push(buffer.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString('utf8');
}

/**
 * The runs of this node: a container for each (task, fence). The engine remembers everything, this process nothing that matters: whether
 * a run was begun is whether its container is there, its output is the container's log, its end the container's state.
 *
 * A start is three steps: create (the engine takes a name once), look for a container of the same task under a higher fence, start. Each
 * starter looks after it has created, so of two claims the older one, whenever it comes, finds the newer or came before it.
 * Killed between the steps, the next process finds a container that was never started and goes on there.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { containersWith, type Docker, nameOf, refusalOf, remove, stateOf, statusOf, Turns } from '@boi/docker-engine';
import { type Call, type Introduction, type PoolPlugin, type pool, Refusal, type RunKey } from '@boi/plugin-sdk';
import { containerName, containerOptions, LABELS } from './container-options.ts';
import { INIT_WORDS_BYTES_MAX, mayNotHaveStarted, type Phase, phaseOf, startFailureOf } from './ending.ts';
import { LogFrames } from './log-frames.ts';
import type { Settings } from './settings.ts';

/** Between looks at what the engine tells only when asked. */
const LOOK_EVERY_MS = 25;
/** The longest wait a timer knows. */
const TIMER_MS_MAX = 2_147_483_647;

export class ContainerRuns implements PoolPlugin {
  readonly name = 'pool-docker';
  readonly version = '0.1.0';
  readonly #docker: Docker;
  readonly #settings: Settings;
  #owner: Introduction = { nodeId: '', pluginId: '' };
  readonly #turns = new Turns();
  /** Runs that were cancelled, with what comes after the grace. */
  readonly #stops = new Map<string, NodeJS.Timeout>();

  constructor(docker: Docker, settings: Settings) {
    this.#docker = docker;
    this.#settings = settings;
  }

  introduced(node: Introduction): void {
    if (this.#owner.nodeId === '') this.#owner = node;
  }

  spawn(request: pool.SpawnRequest__Output): Promise<pool.SpawnResponse> {
    const handle = containerName(request);
    return this.#turns.take(handle, async () => {
      const container = this.#docker.getContainer(handle);
      for (;;) {
        const known = await this.#look(container);
        if (known !== undefined && known.phase !== 'new') return { alreadySpawned: true, handle };
        if (known !== undefined) break;
        await this.#refuseStale(request);
        if (await this.#create(request)) break;
        await pause(LOOK_EVERY_MS);
      }
      try {
        await this.#refuseStale(request);
      } catch (error) {
        await remove(container);
        throw error;
      }
      return { alreadySpawned: !(await this.#start(container)), handle };
    });
  }

  async *tail(key: RunKey, fromOffset: number, { signal }: Call): AsyncIterable<pool.TailResponse> {
    const container = this.#docker.getContainer(containerName(key));
    let offset = fromOffset;
    while (!signal.aborted) {
      // Looked at before the log is read: of a run that has ended the log is whole. One that ends meanwhile is read once more, since
      // the engine also ends the reading when it goes down itself.
      const seen = await this.#look(container);
      if (seen === undefined) throw new Refusal('not-found', 'there is no container of this run');
      for await (const chunk of this.#output(container, offset, signal)) {
        yield { chunk: { ...chunk, offset: String(offset) } };
        offset += chunk.data.length;
      }
      if (signal.aborted) return;
      if (seen.phase === 'ended') {
        const startFailure = await this.#startFailure(container, seen.end, offset, signal);
        const { exitCode, ...times } = seen.end;
        const end = startFailure === undefined ? seen.end : { ...times, startFailure };
        yield { end: { ...end, endOffset: String(offset) } };
        return;
      }
      await pause(LOOK_EVERY_MS);
    }
  }

  /** The log is the engine's, and whole until the release. */
  acknowledge(): void {}

  async cancel(key: RunKey, graceMs: number): Promise<pool.CancelResponse> {
    const handle = containerName(key);
    const container = this.#docker.getContainer(handle);
    const seen = await this.#look(container);
    if (seen?.phase !== 'running') return { wasRunning: false };
    const before = this.#stops.get(handle);
    clearTimeout(before);
    if (before !== undefined || graceMs === 0) await this.#signal(container, 'SIGKILL');
    else await this.#signal(container, 'SIGTERM');
    const force = () =>
      this.#signal(container, 'SIGKILL').catch((error: unknown) =>
        process.stderr.write(`${handle}: ${String(error)}\n`),
      );
    this.#stops.set(handle, setTimeout(force, Math.min(graceMs, TIMER_MS_MAX)).unref());
    return { wasRunning: true };
  }

  async list(): Promise<pool.ListedTask[]> {
    const { nodeId, pluginId } = this.#owner;
    const listed = await containersWith(this.#docker, [`${LABELS.node}=${nodeId}`, `${LABELS.plugin}=${pluginId}`]);
    return listed.map((container) => ({
      taskId: container.Labels[LABELS.task] ?? '',
      fence: container.Labels[LABELS.fence] ?? '',
      running: container.State === 'running' || container.State === 'paused',
      handle: nameOf(container),
    }));
  }

  release(key: RunKey): Promise<void> {
    const handle = containerName(key);
    return this.#turns.take(handle, async () => {
      clearTimeout(this.#stops.get(handle));
      this.#stops.delete(handle);
      await remove(this.#docker.getContainer(handle));
    });
  }

  /** The log from a byte on, until the container ends or the engine does. */
  async *#output(container: Docker.Container, from: number, signal: AbortSignal) {
    const frames = new LogFrames();
    let at = 0;
    try {
      // `follow` also where there is nothing to follow: without it the library reads everything into memory.
      const log = await container.logs({
        follow: true,
        stdout: true,
        stderr: true,
        timestamps: true,
        abortSignal: signal,
      });
      for await (const bytes of log as AsyncIterable<Buffer>) {
        for (const { stream, data } of frames.feed(bytes)) {
          const skip = Math.max(0, from - at);
          at += data.length;
          if (skip >= data.length) continue;
          const name = stream === 2 ? ('OUTPUT_STREAM_STDERR' as const) : ('OUTPUT_STREAM_STDOUT' as const);
          yield { stream: name, data: data.subarray(skip) };
        }
      }
    } catch (error) {
      if (!signal.aborted) throw refusalOf(error);
    }
  }

  /** What the init of the container says in its log. */
  async #startFailure(container: Docker.Container, end: pool.TaskEnd, bytes: number, signal: AbortSignal) {
    if (bytes > INIT_WORDS_BYTES_MAX || !mayNotHaveStarted(end)) return undefined;
    const parts: Buffer[] = [];
    for await (const { data } of this.#output(container, 0, signal)) parts.push(data);
    return startFailureOf(Buffer.concat(parts).toString());
  }

  /** A claim that was taken away may call late, when the task runs for its successor already, here or on another node. */
  async #refuseStale({ taskId, fence }: RunKey): Promise<void> {
    const listed = await containersWith(this.#docker, [`${LABELS.task}=${taskId}`]);
    const newer = listed
      .map(({ Labels }) => Labels[LABELS.fence] ?? '0')
      .find((known) => BigInt(known) > BigInt(fence));
    if (newer !== undefined)
      throw new Refusal('failed-precondition', `the fence is stale: the task is known under ${newer}`);
  }

  /** False: the name is taken, for a container that another process of this plugin is just about to have made. */
  async #create(request: pool.SpawnRequest__Output): Promise<boolean> {
    const options = containerOptions(request, this.#settings, this.#owner);
    const create = () => this.#docker.createContainer(options);
    try {
      await create().catch(async (error: unknown) => {
        if (statusOf(error) !== 404) throw error;
        await this.#pull(options.Image);
        await create();
      });
      return true;
    } catch (error) {
      if (statusOf(error) === 409) return false;
      throw refusalOf(error);
    }
  }

  async #pull(image: string): Promise<void> {
    if (this.#settings.pull === 'never')
      throw new Refusal('failed-precondition', `image ${image}: the engine does not have it, and --pull is never`);
    try {
      const progress = await this.#docker.pull(image);
      await new Promise<void>((resolve, reject) =>
        this.#docker.modem.followProgress(progress, (error: Error | null) =>
          error === null ? resolve() : reject(error),
        ),
      );
    } catch (error) {
      const why = error instanceof Error ? error.message.trim() : String(error);
      throw new Refusal(
        'failed-precondition',
        `image ${image}: the engine does not have it and cannot pull it: ${why}`,
      );
    }
  }

  /** Whether it was this that started it, or tried to in vain, which the engine remembers. */
  async #start(container: Docker.Container): Promise<boolean> {
    try {
      await container.start();
      return true;
    } catch (error) {
      // It runs.
      if (statusOf(error) === 304) return false;
      const seen = await this.#look(container);
      if (seen === undefined || seen.phase === 'new') throw refusalOf(error);
      return true;
    }
  }

  async #signal(container: Docker.Container, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    try {
      await container.kill({ signal });
    } catch (error) {
      // It has ended, or was removed.
      if (statusOf(error) !== 409 && statusOf(error) !== 404) throw refusalOf(error);
    }
  }

  async #look(container: Docker.Container): Promise<Phase | undefined> {
    const state = await stateOf(container);
    return state === undefined ? undefined : phaseOf(state, Date.now);
  }
}

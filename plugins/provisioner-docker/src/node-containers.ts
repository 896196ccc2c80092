/**
 * The nodes made on this engine: a container for each request. The engine remembers everything, this process nothing: a repeated call,
 * from this process, the one after it or another host with the same engine, finds the container by its name.
 *
 * A node is made in three steps: create (the engine takes a name once), put the token in, start. Killed between the steps, the next
 * call finds a container that was never started and goes on there.
 */
import {
  type ContainerState,
  containersWith,
  type Docker,
  isNew,
  nameOf,
  refusalOf,
  remove,
  stateOf,
  statusOf,
  Turns,
  timeOf,
} from '@boi/docker-engine';
import { type provisioner, Refusal, requireOffered } from '@boi/plugin-sdk';
import { nodeContainer, nodeName, REQUEST_LABEL, tokenArchive } from './node-container.ts';
import type { Settings } from './settings.ts';

const MESSAGE_CHARS_MAX = 500;

export class NodeContainers {
  readonly #docker: Docker;
  readonly #settings: Settings;
  /** Calls about one request wait for each other, and so do those that may make one more. */
  readonly #turns = new Turns();
  /** Removed by this process, or being so: the word of their end may come late. */
  readonly #removed = new Set<string>();

  constructor(docker: Docker, settings: Settings) {
    this.#docker = docker;
    this.#settings = settings;
  }

  provision(request: provisioner.ProvisionRequest__Output): Promise<provisioner.ProvisionResponse> {
    const handle = nodeName(request.requestId);
    return this.#turns.take(handle, () => this.#turns.take('make', () => this.#provision(request, handle)));
  }

  deprovision(requestId: string): Promise<provisioner.DeprovisionResponse> {
    const handle = nodeName(requestId);
    return this.#turns.take(handle, async () => {
      const container = this.#docker.getContainer(handle);
      const existed = (await stateOf(container)) !== undefined;
      this.#removed.add(handle);
      if (existed) {
        await this.#stop(container);
        await remove(container);
      }
      return { existed };
    });
  }

  /** Whether the container ends because this process removes it. */
  isRemoved(handle: string): boolean {
    return this.#removed.has(handle);
  }

  async list(): Promise<provisioner.ListedProvision[]> {
    const listed = await containersWith(this.#docker, [REQUEST_LABEL]);
    const seen = await Promise.all(
      listed.map(async (container): Promise<provisioner.ListedProvision[]> => {
        const state = await stateOf(this.#docker.getContainer(container.Id));
        const requestId = container.Labels[REQUEST_LABEL] ?? '';
        const handle = nameOf(container);
        return state === undefined ? [] : [{ requestId, handle, ...told(state, handle) }];
      }),
    );
    return seen.flat();
  }

  async #provision(
    request: provisioner.ProvisionRequest__Output,
    handle: string,
  ): Promise<provisioner.ProvisionResponse> {
    const { max, offers } = this.#settings;
    const container = this.#docker.getContainer(handle);
    const known = await stateOf(container);
    if (known !== undefined && !isNew(known)) {
      const { state, message } = told(known, handle);
      // Nobody need wait for the deadline.
      if (state === 'PROVISION_STATE_FAILED') throw new Refusal('failed-precondition', message);
      return { alreadyProvisioned: true, handle };
    }
    // A call that was held up on its way: nobody waits for the node any more.
    if (Number(request.deadlineMs) <= Date.now()) throw new Refusal('failed-precondition', 'the deadline has passed');
    if (offers !== undefined) requireOffered(offers, request.requirements);
    const live = (await containersWith(this.#docker, [REQUEST_LABEL])).filter(
      ({ State }) => State === 'running',
    ).length;
    if (live >= max) throw new Refusal('resource-exhausted', `${live} nodes run on this engine, ${max} may`);
    try {
      if (known === undefined) await this.#create(request);
      if (request.joinToken !== '') await container.putArchive(tokenArchive(request.joinToken), { path: '/' });
      await container.start();
      this.#removed.delete(handle);
    } catch (error) {
      // It runs.
      if (statusOf(error) === 304) return { alreadyProvisioned: true, handle };
      throw refusalOf(error);
    }
    return { alreadyProvisioned: false, handle };
  }

  async #create(request: provisioner.ProvisionRequest__Output): Promise<void> {
    const { image } = this.#settings;
    try {
      await this.#docker.createContainer(nodeContainer(request, this.#settings));
    } catch (error) {
      // The name is taken: another process of this plugin is just about to have made it. To be asked again.
      if (statusOf(error) === 409) throw new Refusal('unavailable', 'the container of this request is being made');
      if (statusOf(error) === 404)
        throw new Refusal('failed-precondition', `image ${image}: the engine does not have it; pull or build it there`);
      throw error;
    }
  }

  /** TERM, a while in which the node drains, KILL. */
  async #stop(container: Docker.Container): Promise<void> {
    try {
      await container.stop({ t: this.#settings.stopS });
    } catch (error) {
      // It does not run, or is not there.
      if (statusOf(error) !== 304 && statusOf(error) !== 404) throw refusalOf(error);
    }
  }
}

function told(state: ContainerState, handle: string): Pick<Required<provisioner.ListedProvision>, 'state' | 'message'> {
  const { Status, ExitCode, OOMKilled } = state;
  if (isNew(state)) return { state: 'PROVISION_STATE_STARTING', message: '' };
  if (timeOf(state.StartedAt) === 0) {
    const message = `it could not be started: ${state.Error}`.slice(0, MESSAGE_CHARS_MAX);
    return { state: 'PROVISION_STATE_FAILED', message };
  }
  if (Status !== 'exited' && Status !== 'dead') return { state: 'PROVISION_STATE_RUNNING', message: '' };
  const how = OOMKilled ? 'ran out of memory' : `has ended with exit code ${ExitCode}`;
  return { state: 'PROVISION_STATE_FAILED', message: `the node ${how}; see \`docker logs ${handle}\`` };
}

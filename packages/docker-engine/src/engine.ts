/**
 * The Docker engine as the plugins use it. What it answers instead of what was asked is made one of two things for the node: it is away for
 * now (`unavailable`, the call is repeated), or a refusal that a person can act on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Refusal } from '@boi/plugin-sdk';
import Docker from 'dockerode';

export type { Docker };

/** Between looks at a removal that somebody else began. */
const LOOK_EVERY_MS = 100;

/** The socket of the flag, else what DOCKER_HOST says, else the usual one. */
export function openEngine(socketPath: string | undefined): Docker {
  return socketPath === undefined ? new Docker() : new Docker({ socketPath });
}

interface EngineError extends Error {
  readonly statusCode?: number;
  readonly code?: string;
  readonly address?: string;
  readonly json?: { readonly message?: string };
}

/** Of an error the engine answered with; undefined if it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return (error as EngineError).statusCode;
}

/** What is thrown to the node instead of an error of the engine or of the way to it. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const { statusCode, code, address, message, json } = error as EngineError;
  if (statusCode !== undefined)
    return new Refusal('failed-precondition', `the Docker engine: ${json?.message ?? message}`);
  const where = address === undefined ? '' : ` at ${address}`;
  if (code === 'EACCES') return new Refusal('failed-precondition', `no right to use the Docker engine${where}`);
  return new Refusal('unavailable', `the Docker engine${where} does not answer: ${code ?? message}`);
}

export type ContainerState = Docker.ContainerInspectInfo['State'];

/** Undefined: there is no such container. Waits for a start that the engine is busy with. */
export async function stateOf(container: Docker.Container): Promise<ContainerState | undefined> {
  try {
    return (await container.inspect()).State;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw refusalOf(error);
  }
}

/** Made, and nobody has tried to start it. A start that failed leaves a code or a message. */
export function isNew({ Status, ExitCode, Error: problem }: ContainerState): boolean {
  return Status === 'created' && ExitCode === 0 && problem === '';
}

/** Milliseconds since the Unix epoch; 0 for the engine's "never", which is the year 1. */
export function timeOf(text: string): number {
  return Math.max(0, Date.parse(text) || 0);
}

/** All with these labels (`key` or `key=value`), whatever their state. */
export async function containersWith(docker: Docker, label: readonly string[]): Promise<Docker.ContainerInfo[]> {
  try {
    return await docker.listContainers({ all: true, filters: { label: [...label] } });
  } catch (error) {
    throw refusalOf(error);
  }
}

/** The name that its engine and its user call it by. */
export function nameOf({ Names }: Docker.ContainerInfo): string {
  return (Names[0] ?? '').replace(/^\//, '');
}

/** With its volumes that have no name; ends it by force if it runs. Resolves when it is gone. */
export async function remove(container: Docker.Container): Promise<void> {
  for (;;) {
    try {
      await container.remove({ force: true, v: true });
      return;
    } catch (error) {
      if (statusOf(error) === 404) return;
      // Somebody removes it already.
      if (statusOf(error) !== 409) throw refusalOf(error);
      await pause(LOOK_EVERY_MS);
    }
  }
}

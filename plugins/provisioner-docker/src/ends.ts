/**
 * Says in the plugin's log when a node has ended that nobody removes: `boi-node plugin logs` then tells why a request is waited for in
 * vain. The engine's events are followed for as long as the plugin runs; what happens while the engine is away is in the list only.
 */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { Docker } from '@boi/docker-engine';
import { REQUEST_LABEL } from './node-container.ts';

/** Until the engine is asked again that was away. */
const RETRY_MS = 2_000;

export interface EndsDeps {
  readonly docker: Docker;
  /** Whether this process removes the container. */
  readonly isRemoved: (container: string) => boolean;
  readonly say: (line: string) => void;
}

interface EngineEvent {
  readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> };
}

/** Resolves when the signal aborts; never rejects. */
export async function tellEnds({ docker, isRemoved, say }: EndsDeps, signal: AbortSignal): Promise<void> {
  const filters = JSON.stringify({ type: ['container'], event: ['die'], label: [REQUEST_LABEL] });
  while (!signal.aborted) {
    try {
      const events = (await docker.getEvents({ filters, abortSignal: signal })) as Readable;
      // One line is one event.
      for await (const line of createInterface({ input: events })) {
        const { name = '', exitCode = '', ...labels } = (JSON.parse(line) as EngineEvent).Actor?.Attributes ?? {};
        if (!isRemoved(name)) say(`${name}, made for ${labels[REQUEST_LABEL]}, has ended with exit code ${exitCode}`);
      }
    } catch {
      // The engine is away; whoever calls meanwhile is told so.
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

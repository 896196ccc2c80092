/** Events for tests, each with an id of its own. */
import type { BoiEvent } from '@boi/core';
import { minter } from './lab.ts';

const emitter = minter.mint('node');

export function someEvent(): BoiEvent {
  const id = minter.mint('event');
  return { id, kind: 'cluster.paused', at: 1, emitter, payload: {} } as BoiEvent;
}

export const someEvents = (count: number): BoiEvent[] => Array.from({ length: count }, someEvent);

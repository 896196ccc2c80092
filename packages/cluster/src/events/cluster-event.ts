/** An event as the code that emits it says it: kind, project, and the fields of its payload side by side. */
import type { BoiEvent, EventKind, EventPayload, EventTrace, ProjectId } from '@boi/core';

export type ClusterEvent<K extends EventKind = EventKind> = {
  readonly [E in K]: { readonly kind: E; readonly project?: ProjectId } & EventPayload<E>;
}[K];

/** An event that a transaction will bring about, and what tells from the store whether it did (settle-intent.ts). */
export interface Foretold {
  readonly event: ClusterEvent;
  readonly trace?: EventTrace;
}

/** Of an event as it is delivered; id, time and emitter are whoever delivers it. */
export function partsOf({ kind, project, ...payload }: ClusterEvent): Pick<BoiEvent, 'kind' | 'project' | 'payload'> {
  return { kind, ...(project === undefined ? {} : { project }), payload };
}

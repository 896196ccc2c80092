/**
 * Events between the catalogue (`@boi/core`) and the wire (`boi.hooks.v1.Event`). The fields of the payload have the same
 * names on both sides; a test holds the enum and the fields against the catalogue.
 */
import {
  type BoiEvent,
  EVENT_KINDS,
  type EventKind,
  type EventPayload,
  eventPayloadProblems,
  isId,
  parseId,
} from '@boi/core';
import type { Event, Event__Output } from './generated/boi/hooks/v1/Event.ts';
import type { EventKind__Output as WireKind } from './generated/boi/hooks/v1/EventKind.ts';

/** An event with its place in what a node delivers to a plugin, from 1. */
export interface SequencedEvent {
  readonly sequence: number;
  readonly event: BoiEvent;
}

/** `task.claimed` → `EVENT_KIND_TASK_CLAIMED`. */
export function toWireKind(kind: EventKind): WireKind {
  return `EVENT_KIND_${kind.toUpperCase().replace('.', '_')}` as WireKind;
}

const kinds = new Map<string, EventKind>(EVENT_KINDS.map((kind) => [toWireKind(kind), kind]));

/** The kind behind a value of the enum; undefined if it is a later version's. */
export function fromWireKind(kind: string | number): EventKind | undefined {
  return kinds.get(String(kind));
}

export function toWireEvent({ sequence, event }: SequencedEvent): Event {
  return {
    sequence: String(sequence),
    id: event.id,
    kind: toWireKind(event.kind),
    atMs: String(event.at),
    emitterNodeId: event.emitter,
    projectId: event.project ?? '',
    correlationId: event.correlation ?? '',
    outcome: event.outcome === 'unknown' ? 'EVENT_OUTCOME_UNKNOWN' : 'EVENT_OUTCOME_UNSPECIFIED',
    payload: event.payload,
  };
}

/** The event, undefined if its kind is a later version's; throws an error that names what is wrong with it. */
export function fromWireEvent(wire: Event__Output): SequencedEvent | undefined {
  const kind = fromWireKind(wire.kind);
  if (kind === undefined) return undefined;
  const id = parseId('event', wire.id);
  const emitter = parseId('node', wire.emitterNodeId);
  const project = wire.projectId === '' ? undefined : parseId('project', wire.projectId);
  const sequence = Number(wire.sequence);
  // The virtual fields that name the one set member of a oneof; `optional` makes one of each.
  const payload = Object.fromEntries(Object.entries(wire.payload ?? {}).filter(([name]) => !name.startsWith('_')));
  const problems = [
    ...(Number.isSafeInteger(sequence) && sequence > 0 ? [] : ['sequence must be from 1 to 2^53 - 1']),
    ...(id === undefined ? ['id must be the id of an event'] : []),
    ...(emitter === undefined ? ['emitter_node_id must be the id of a node'] : []),
    ...(wire.projectId === '' || isId(wire.projectId, 'project') ? [] : ['project_id must be the id of a project']),
    ...eventPayloadProblems(kind, payload),
  ];
  if (id === undefined || emitter === undefined || problems.length > 0)
    throw new Error(`event ${wire.sequence} is ill-formed: ${problems.join('; ')}`);
  const event: BoiEvent = {
    id,
    kind,
    at: Number(wire.atMs),
    emitter,
    ...(project === undefined ? {} : { project }),
    ...(wire.correlationId === '' ? {} : { correlation: wire.correlationId }),
    ...(wire.outcome === 'EVENT_OUTCOME_UNKNOWN' ? { outcome: 'unknown' as const } : {}),
    payload: payload as EventPayload<EventKind>,
  };
  return { sequence, event };
}

/**
 * Between the work that makes events and whatever takes them. The work `tell`s what has no transaction, and `intend`s, before a
 * transaction, what will have happened if it is applied; afterwards it says which it was. Whoever takes them (the hooks hub of
 * plugin-host, a list in a test) decides who gets what, and how long the work has to wait for room.
 */
import type { BoiEvent, EventKind } from './events.ts';

/**
 * What is needed to find out from the store, after a crash, whether the change was made: keys, revisions, nonces. Kept with the
 * intent, never delivered.
 */
export type EventTrace = Readonly<Record<string, string>>;

export interface IntendedEvent {
  readonly event: BoiEvent;
  readonly trace?: EventTrace;
}

/** An event whose change is under way. Exactly one of the three must be called; each resolves when that is on disk. */
export interface EventIntent {
  /** `final`: the event with what only the answer told, as the fence of a claim. Same id and kind. */
  happened(final?: BoiEvent): Promise<void>;
  didNotHappen(): Promise<void>;
  /** It could not be found out, and never will be. */
  unknown(): Promise<void>;
}

/** What the store says of the change an unresolved intent tells of. `final` as in {@link EventIntent.happened}. */
export type Settlement =
  | { readonly outcome: 'happened'; readonly final?: BoiEvent }
  | { readonly outcome: 'did-not-happen' }
  | { readonly outcome: 'unknown' };

export interface EmitOptions {
  /** Ends the wait for room. */
  readonly signal?: AbortSignal;
  /** Does not wait for room: for what others wait for, as the take-over of a dead node's work, and what a person commands. */
  readonly urgent?: boolean;
}

export interface EventPort {
  /** Whether anybody takes this kind. */
  wants(kind: EventKind): boolean;
  /** Whether anybody takes it who must not miss one: only then is there something to intend. */
  audits(kind: EventKind): boolean;
  /** Whether the work that emits these kinds may go on now. */
  hasRoom(kinds: readonly EventKind[]): boolean;
  /** Resolves when there is room for these kinds, or the signal aborts. */
  untilRoom(kinds: readonly EventKind[], signal: AbortSignal): Promise<void>;
  /** Resolves when it is on disk for all who must not miss it; waits for room. Rejects when the signal aborts, or at the end. */
  tell(events: readonly BoiEvent[], options?: EmitOptions): Promise<void>;
  /** As `tell`, for what is about to happen; rejects also when it cannot be written. The answer is in the order of the events. */
  intend(events: readonly IntendedEvent[], options?: EmitOptions): Promise<readonly EventIntent[]>;
}

/** Nobody takes anything. */
export const NO_EVENTS: EventPort = {
  wants: () => false,
  audits: () => false,
  hasRoom: () => true,
  untilRoom: () => Promise.resolve(),
  tell: () => Promise.resolve(),
  intend: (events) => Promise.resolve(events.map(() => NO_INTENT)),
};

const NO_INTENT: EventIntent = {
  happened: () => Promise.resolve(),
  didNotHappen: () => Promise.resolve(),
  unknown: () => Promise.resolve(),
};

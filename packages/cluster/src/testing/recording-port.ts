/**
 * Takes every event as an audit plugin without a disk would, and holds those who emit to the rules: payloads are those of the
 * catalogue, an event keeps its id and kind from intent to outcome, and each intent is resolved once. What is against a rule is
 * in {@link RecordingPort.problems}; tests look at it, the simulation calls it a violation at once.
 */
import {
  type BoiEvent,
  type EventIntent,
  type EventKind,
  type EventPort,
  eventPayloadProblems,
  type IntendedEvent,
  isId,
  type Settlement,
} from '@boi/core';

/** Kind, project and payload side by side. */
export interface RecordedEvent {
  readonly kind: EventKind;
  readonly [field: string]: unknown;
}

export type Resolved = Settlement['outcome'];

export interface RecordingPortOptions {
  readonly onProblem?: (problem: string) => void;
  /** Default: nothing. */
  readonly onEvent?: (event: RecordedEvent) => void;
  /** Default: yes. */
  readonly audits?: boolean;
}

export class RecordingPort implements EventPort {
  readonly events: RecordedEvent[] = [];
  readonly problems: string[] = [];
  /** By id of the event. */
  readonly open = new Map<string, IntendedEvent>();
  readonly resolved: { readonly intended: IntendedEvent; readonly outcome: Resolved; readonly final?: BoiEvent }[] = [];
  /** Set it, and ring {@link RecordingPort.roomy}, to be a plugin that is behind. */
  full = false;
  readonly #options: RecordingPortOptions;
  readonly #waiting = new Set<() => void>();

  constructor(options: RecordingPortOptions = {}) {
    this.#options = options;
  }

  wants(): boolean {
    return true;
  }

  audits(): boolean {
    return this.#options.audits ?? true;
  }

  hasRoom(): boolean {
    return !this.full;
  }

  async untilRoom(_kinds: unknown, signal: AbortSignal): Promise<void> {
    await this.#room(signal).catch(() => undefined);
  }

  /** There is room again. */
  roomy(): void {
    this.full = false;
    for (const go of [...this.#waiting]) go();
  }

  async tell(
    events: readonly BoiEvent[],
    { signal, urgent = false }: Parameters<EventPort['tell']>[1] = {},
  ): Promise<void> {
    if (!urgent && this.full) await this.#room(signal);
    for (const event of events) this.#take(event);
  }

  async intend(
    events: readonly IntendedEvent[],
    { signal, urgent = false }: Parameters<EventPort['intend']>[1] = {},
  ): Promise<readonly EventIntent[]> {
    if (!urgent && this.full) await this.#room(signal);
    signal?.throwIfAborted();
    return events.map((intended) => {
      this.#check(intended.event);
      this.open.set(intended.event.id, intended);
      const resolve = async (outcome: Resolved, final?: BoiEvent) => this.#resolve(intended, outcome, final);
      return {
        happened: (final) => resolve('happened', final),
        didNotHappen: () => resolve('did-not-happen'),
        unknown: () => resolve('unknown'),
      };
    });
  }

  async #room(signal?: AbortSignal): Promise<void> {
    while (this.full) {
      signal?.throwIfAborted();
      await new Promise<void>((resolve) => {
        const go = () => {
          this.#waiting.delete(go);
          signal?.removeEventListener('abort', go);
          resolve();
        };
        this.#waiting.add(go);
        signal?.addEventListener('abort', go, { once: true });
      });
    }
  }

  #resolve(intended: IntendedEvent, outcome: Resolved, final: BoiEvent | undefined): void {
    const { id, kind } = intended.event;
    if (!this.open.delete(id)) this.#problem(`${kind} ${id} is resolved twice: ${outcome}`);
    if (final !== undefined && (final.id !== id || final.kind !== kind))
      this.#problem(`${kind} ${id} became ${final.kind} ${final.id}`);
    this.resolved.push({ intended, outcome, ...(final === undefined ? {} : { final }) });
    if (outcome === 'happened') this.#take(final ?? intended.event);
  }

  #take(event: BoiEvent): void {
    this.#check(event);
    const { kind, project, payload } = event;
    const flat = { kind, ...(project === undefined ? {} : { project }), ...payload };
    this.events.push(flat);
    this.#options.onEvent?.(flat);
  }

  #check({ id, kind, payload, emitter, at }: BoiEvent): void {
    const problems = eventPayloadProblems(kind, payload);
    if (!isId(id, 'event') || !isId(emitter, 'node') || !(at >= 0))
      problems.push(`${kind} has a wrong id, emitter or time`);
    for (const problem of problems) this.#problem(problem);
  }

  #problem(problem: string): void {
    this.problems.push(problem);
    this.#options.onProblem?.(problem);
  }
}

/**
 * Where the node's work hands its events in. Each goes to every hooks plugin that wants its kind: into the plugin's queue (best
 * effort) or its trail (audit). The work knows nothing of plugins: it `intend`s before a transaction and says afterwards what
 * became of it, or `tell`s what has none; with no audit plugin both cost nothing and never wait.
 */
import { join } from 'node:path';
import type { BoiEvent, Clock, EmitOptions, EventIntent, EventKind, EventPort, IntendedEvent, NodeId } from '@boi/core';
import { EVENT_KINDS } from '@boi/core';
import { readJsonFile, writeFileAtomic } from '@boi/system';
import Type from 'typebox';
import type { PluginError } from '../errors.ts';
import type { PluginSupervisor } from '../supervise/supervisor.ts';
import { AuditTrail } from './audit-trail.ts';
import { BestEffortQueue } from './best-effort-queue.ts';
import { Deliverer } from './deliverer.ts';
import type { HighWaterMarks, SettleIntent } from './ports.ts';

export interface HooksHubDeps {
  readonly clock: Clock;
  readonly nodeId: NodeId;
  /** Each plugin has a folder in it. */
  readonly directory: string;
  readonly marks: HighWaterMarks;
  readonly settle: SettleIntent;
  readonly onProblem: (plugin: string, message: string, error?: unknown) => void;
  /** The work has waited for a plugin of the audit tier for a while (true), or is let in again (false). */
  readonly onSaturated?: (plugin: string, saturated: boolean) => void;
}

/** For the metrics of hook backlog and drops. */
export interface HookStats {
  readonly plugin: string;
  readonly tier: 'audit' | 'best_effort';
  /** Not acknowledged. */
  readonly backlog: number;
  readonly dropped: number;
  readonly acknowledged: number;
}

interface Subscriber {
  readonly supervisor: PluginSupervisor;
  readonly deliverer: Deliverer;
  readonly queue: BestEffortQueue | undefined;
  readonly trail: AuditTrail | undefined;
  kinds: ReadonlySet<EventKind>;
}

const Subscription = Type.Object({ kinds: Type.Array(Type.String()) });

export class HooksHub implements EventPort {
  readonly #deps: HooksHubDeps;
  readonly #supervisors: readonly PluginSupervisor[];
  #subscribers: Subscriber[] = [];
  readonly #stopping = new AbortController();
  #following: Promise<void>[] = [];

  /** `supervisors`: those of plugins of the kind hooks; started and stopped by their owner. */
  constructor(supervisors: readonly PluginSupervisor[], deps: HooksHubDeps) {
    this.#supervisors = supervisors;
    this.#deps = deps;
  }

  /** Opens the trails, settles what an earlier life left, begins to deliver. Rejects if an audit log is damaged. */
  async start(): Promise<void> {
    try {
      for (const supervisor of this.#supervisors) this.#subscribers.push(await this.#open(supervisor));
    } catch (error) {
      await this.stop();
      throw error;
    }
    for (const subscriber of this.#subscribers) {
      subscriber.deliverer.start();
      this.#following.push(this.#follow(subscriber));
    }
  }

  /** Ends delivery and closes the trails; what was not acknowledged is delivered after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the hub is being stopped'));
    await Promise.all(this.#subscribers.map(({ deliverer }) => deliverer.stop()));
    await Promise.all(this.#following);
    await Promise.all(this.#subscribers.map(({ trail }) => trail?.close()));
    this.#subscribers = [];
  }

  get stats(): readonly HookStats[] {
    return this.#subscribers.map(({ supervisor, queue, trail }) => ({
      plugin: supervisor.config.name,
      tier: trail === undefined ? 'best_effort' : 'audit',
      backlog: trail?.outstanding ?? queue?.backlog ?? 0,
      dropped: queue?.dropped ?? 0,
      acknowledged: trail?.acknowledged ?? queue?.acknowledged ?? 0,
    }));
  }

  wants(kind: EventKind): boolean {
    return this.#subscribers.some(({ kinds }) => kinds.has(kind));
  }

  audits(kind: EventKind): boolean {
    return this.#subscribers.some(({ trail, kinds }) => trail !== undefined && kinds.has(kind));
  }

  hasRoom(wanted: readonly EventKind[]): boolean {
    return this.#full(wanted) === undefined;
  }

  async untilRoom(wanted: readonly EventKind[], signal: AbortSignal): Promise<void> {
    for (let full = this.#full(wanted); full !== undefined && !signal.aborted; full = this.#full(wanted))
      await full.untilRoom(signal);
  }

  /** What happened and has no transaction. Resolves when it is on disk for every audit plugin; waits while one is behind. */
  async tell(events: readonly BoiEvent[], options?: EmitOptions): Promise<void> {
    for (const event of events) this.#pushToQueues(event);
    await Promise.all(
      this.#trails(events.map((event) => ({ event }))).map(([trail, wanted]) =>
        trail.tell(
          wanted.map(({ intended }) => intended.event),
          options,
        ),
      ),
    );
  }

  /**
   * What is about to happen. Resolves when it is on disk for every audit plugin; waits while one is behind. Each intent of
   * the answer, in the order of the events, must be resolved once by what became of its transaction.
   */
  async intend(events: readonly IntendedEvent[], options?: EmitOptions): Promise<readonly EventIntent[]> {
    const inTrails: EventIntent[][] = events.map(() => []);
    const tries = await Promise.allSettled(
      this.#trails(events).map(async ([trail, wanted]) => {
        const intents = await trail.intend(
          wanted.map(({ intended }) => intended),
          options,
        );
        intents.forEach((intent, i) => {
          inTrails[wanted[i]?.index ?? -1]?.push(intent);
        });
      }),
    );
    const failed = tries.find((tried) => tried.status === 'rejected');
    if (failed !== undefined) {
      // One trail has them and another has not: the change is not made.
      await Promise.allSettled(inTrails.flat().map((intent) => intent.didNotHappen()));
      throw failed.reason;
    }
    return events.map(({ event }, i) => {
      const all = (act: (intent: EventIntent) => Promise<void>) =>
        Promise.all((inTrails[i] ?? []).map(act)).then(() => undefined);
      return {
        happened: (final) => {
          this.#pushToQueues(final ?? event);
          return all((intent) => intent.happened(final));
        },
        didNotHappen: () => all((intent) => intent.didNotHappen()),
        unknown: () => {
          this.#pushToQueues({ ...event, outcome: 'unknown' });
          return all((intent) => intent.unknown());
        },
      };
    });
  }

  #full(wanted: readonly EventKind[]): AuditTrail | undefined {
    for (const { trail, kinds } of this.#subscribers) {
      if (trail !== undefined && !trail.hasRoom && wanted.some((kind) => kinds.has(kind))) return trail;
    }
    return undefined;
  }

  #pushToQueues(event: BoiEvent): void {
    for (const { queue, kinds } of this.#subscribers) if (kinds.has(event.kind)) queue?.push(event);
  }

  /** Each audit trail that wants some of the events, with those. */
  #trails(
    events: readonly IntendedEvent[],
  ): [AuditTrail, { readonly intended: IntendedEvent; readonly index: number }[]][] {
    return this.#subscribers.flatMap(({ trail, kinds }) => {
      const wanted = events
        .map((intended, index) => ({ intended, index }))
        .filter(({ intended }) => kinds.has(intended.event.kind));
      return trail === undefined || wanted.length === 0 ? [] : [[trail, wanted]];
    });
  }

  async #open(supervisor: PluginSupervisor): Promise<Subscriber> {
    const { clock, nodeId, marks, settle, onProblem, onSaturated } = this.#deps;
    const { name, tier, events } = supervisor.config;
    const problem = (message: string, error?: unknown) => onProblem(name, message, error);
    let trail: AuditTrail | undefined;
    if (tier === 'audit') {
      const directory = join(this.#deps.directory, name);
      trail = new AuditTrail({
        directory,
        node: nodeId,
        plugin: name,
        clock,
        marks,
        settle,
        onProblem: problem,
        onSaturated: (saturated) => onSaturated?.(name, saturated),
      });
      await trail.open();
    }
    const queue = trail === undefined ? new BestEffortQueue() : undefined;
    const deliverer = new Deliverer({
      plugin: supervisor,
      source: (trail ?? queue) as AuditTrail | BestEffortQueue,
      clock,
      onProblem: (error: PluginError) => problem('delivery broke off and is tried again', error),
    });
    const remembered = trail === undefined ? undefined : await readJsonFile(this.#subscriptionPath(name), Subscription);
    const kinds = new Set(events ?? ((remembered?.kinds ?? EVENT_KINDS) as readonly EventKind[]));
    return { supervisor, deliverer, queue, trail, kinds };
  }

  /** Takes over the kinds of each handshake, unless the configuration names them; remembers them for before the next one. */
  async #follow(subscriber: Subscriber): Promise<void> {
    const { supervisor } = subscriber;
    const { signal } = this.#stopping;
    let seen: readonly EventKind[] | undefined;
    while (!signal.aborted) {
      const wanted = supervisor.status.introduction?.hooks?.kinds;
      if (supervisor.config.events === undefined && wanted !== undefined && wanted !== seen) {
        seen = wanted;
        subscriber.kinds = new Set(wanted);
        if (subscriber.trail !== undefined)
          await writeFileAtomic(
            this.#subscriptionPath(supervisor.config.name),
            JSON.stringify({ kinds: wanted }),
          ).catch((error: unknown) =>
            this.#deps.onProblem(supervisor.config.name, 'its kinds of events are not kept', error),
          );
        continue;
      }
      await supervisor.changed(signal);
    }
  }

  #subscriptionPath(plugin: string): string {
    return join(this.#deps.directory, plugin, 'subscription.json');
  }
}

/**
 * The duties and services a node runs besides its own queue, in the order they start; they stop in the reverse order. Each
 * decides for itself, by rendezvous hashing over the membership, whether there is something for it to do.
 */
import type { NodeId } from '@boi/core';
import type { HeldTasks } from './claim/held.ts';
import type { OwnQueue } from './claim/own-queue.ts';
import { Stealer } from './claim/steal.ts';
import type { ClusterContext } from './context.ts';
import type { NodeDeps } from './deps.ts';
import { IdentityUpkeep } from './identity/upkeep.ts';
import type { Membership } from './membership/membership-types.ts';
import type { Session } from './membership/session-types.ts';
import { Adviser } from './placement/adviser.ts';
import { handOver } from './placement/handover.ts';
import { createPlacer } from './placement/placement.ts';
import type { RouterPort } from './placement/placement-types.ts';
import { Rebalancer } from './placement/rebalance.ts';
import { UnassignedDuty } from './placement/unassigned.ts';
import type { ProvisionerOptions } from './provision/ports.ts';
import { ProvisionedNodes } from './provision/provisioned.ts';
import { Provisioning } from './provision/provisioning.ts';
import type { QueueEntry, Stored } from './records.ts';
import { Coordinators } from './spec/coordinators.ts';
import { Dispatcher } from './spec/dispatch.ts';
import { SpecBodies } from './spec/spec-body.ts';
import { Adopter } from './takeover/adopter.ts';
import { WedgeDuty } from './takeover/wedge.ts';
import { Archiver } from './upkeep/archive.ts';
import { Compactor } from './upkeep/compact.ts';

interface Service {
  start(): void | Promise<void>;
  stop(): void | Promise<void>;
}

export interface OwnWork {
  readonly held: HeldTasks;
  readonly queue: OwnQueue;
  /** Slots of this node. */
  readonly capacity: number;
  /** Whether an entry of the own queue is claimed and does not run here. */
  readonly lost: (entry: Stored<QueueEntry>) => boolean;
  /** Whether this node may claim now. */
  readonly mayClaim: () => boolean;
  /** Something may be claimed or started now. */
  readonly wake: () => void;
}

export class NodeServices {
  readonly dispatcher: Dispatcher;
  readonly adopter: Adopter;
  readonly #deps: NodeDeps;
  readonly #work: OwnWork;
  readonly #coordinators: Coordinators;
  readonly #services: readonly Service[];
  #started: Service[] = [];

  constructor(deps: NodeDeps, work: OwnWork, provisioner?: ProvisionerOptions) {
    this.#deps = deps;
    this.#work = work;
    this.dispatcher = new Dispatcher(deps);
    this.#coordinators = new Coordinators(deps);
    this.adopter = new Adopter(deps);
    this.#services = [
      this.#coordinators,
      this.adopter,
      new UnassignedDuty(deps),
      new WedgeDuty(deps),
      new Rebalancer(deps, () => work.queue.mirror.sorted()),
      new Stealer(deps, work),
      new Archiver(deps),
      new Compactor(deps),
      new IdentityUpkeep(deps),
      ...(provisioner === undefined
        ? []
        : [new Provisioning(deps, provisioner), new ProvisionedNodes(deps, provisioner)]),
    ];
  }

  static deps(
    ctx: ClusterContext,
    self: NodeId,
    session: Session,
    membership: Membership,
    router?: RouterPort,
  ): NodeDeps {
    const adviser = router === undefined ? undefined : new Adviser(ctx, router);
    const placer = async () => {
      // A store that cannot be read now does not keep anybody from deciding by what was read last.
      const loads = await membership.loads().catch(() => membership.cachedLoads());
      return createPlacer(ctx.keys, membership.snapshot(), loads, ctx.clock.now(), adviser);
    };
    return { ctx, self, session, membership, placer, bodies: new SpecBodies(ctx) };
  }

  async start(): Promise<void> {
    for (const service of this.#services) {
      this.#started.push(service);
      await service.start();
    }
  }

  /** Gives unclaimed entries to other nodes; one that is leaving or draining gives its coordinations, too. */
  async handOver(leaving: boolean): Promise<void> {
    if (leaving) await this.#coordinators.handOver();
    const { queue, lost } = this.#work;
    await handOver(this.#deps, { entries: queue.mirror.entries.values(), lost });
  }

  async stop(): Promise<void> {
    const started = this.#started.reverse();
    this.#started = [];
    for (const service of started) await service.stop();
    await this.dispatcher.stop();
  }
}

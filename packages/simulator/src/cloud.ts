/**
 * A provisioner for the simulation: makes hosts of its own, and does what provisioners do wrong. It refuses, fails before or after
 * it has begun, brings no node, or one that comes late, or one that cannot do the work. Told an id again it begins nothing.
 *
 * What must hold is checked at each call: no node is begun for a need while another is being made for it. Each request is drawn
 * from a generator of its own, so that it does not depend on what else was drawn meanwhile.
 */
import { type ClusterConfig, Keys, type NodeWanted, type ProvisionerPort } from '@boi/cluster';
import { type ProvisionId, sleep } from '@boi/core';
import { SeededRandom, type VirtualClock } from '@boi/core/testing';
import type { MemoryServer } from '@boi/store';
import type { Host } from './host.ts';
import type { Tally } from './kinds.ts';
import type { NodeClock } from './node-clock.ts';

/** What its nodes have and no other. */
export const RARE = 'gpu';
const NODES_MAX = 3;
const ANSWER_MS_MAX = 800;
const START_MS_MAX = 4_000;

export interface CloudOptions {
  readonly seed: number;
  readonly clock: VirtualClock;
  readonly server: MemoryServer;
  readonly tally: Tally;
  readonly config: Partial<ClusterConfig>;
  readonly violate: (what: string) => void;
  /** A host that advertises these; it is started by the cloud. */
  readonly add: (capabilities: Readonly<Record<string, string>>) => Host;
  /** It is gone, with its disk, and does not come back. */
  readonly remove: (host: Host) => void;
}

interface Made {
  readonly need: string;
  host?: Host;
  gone?: boolean;
}

export class Cloud {
  readonly #options: CloudOptions;
  readonly #keys = new Keys();
  /** Every request that was ever begun. */
  readonly #made = new Map<ProvisionId, Made>();
  #calls = 0;
  /** It does what it is asked to. */
  repaired = false;

  constructor(options: CloudOptions) {
    this.#options = options;
  }

  /** What was begun and not removed. */
  get live(): readonly ProvisionId[] {
    return [...this.#made].filter(([, { gone }]) => gone !== true).map(([id]) => id);
  }

  /** As one process calls it: frozen, it does not hear the answer. */
  port(process: NodeClock): ProvisionerPort {
    const answer = async () => {
      await sleep(process, 1 + new SeededRandom(this.#options.seed + this.#calls).int(ANSWER_MS_MAX));
    };
    return {
      provision: async (wanted) => {
        const random = new SeededRandom(this.#options.seed * 131 + ++this.#calls);
        const outcome = this.#provision(wanted, random);
        await answer();
        if (outcome === 'failed') throw new Error('the provisioner failed');
        return outcome;
      },
      deprovision: async (id) => {
        const random = new SeededRandom(this.#options.seed * 137 + ++this.#calls);
        const fails = !this.repaired && random.next() < 0.2;
        if (!fails) this.#deprovision(id);
        await answer();
        if (fails) throw new Error('the provisioner failed');
      },
    };
  }

  #provision(wanted: NodeWanted, random: SeededRandom): 'begun' | 'refused' | 'failed' {
    const { tally } = this.#options;
    const known = this.#made.get(wanted.id);
    if (known !== undefined) return known.gone === true ? 'refused' : 'begun';
    const draw = this.repaired ? 1 : random.next();
    if (this.live.length >= NODES_MAX || draw < 0.1) {
      tally.add('provisioner refuses');
      return 'refused';
    }
    if (draw < 0.25) {
      tally.add('provisioner fails');
      if (draw < 0.17) return 'failed';
    }
    this.#begin(wanted, random);
    return draw < 0.25 ? 'failed' : 'begun';
  }

  #begin({ id, requires, slots, labels }: NodeWanted, random: SeededRandom): void {
    const { tally, violate, server, clock, config } = this.#options;
    const need = JSON.stringify([requires, slots]);
    for (const other of this.live) {
      const fulfilled = server.get(this.#keys.provisioned(other)).kv !== undefined;
      if (this.#made.get(other)?.need === need && !fulfilled)
        violate(`${id} is begun while ${other} is being made for the same need`);
    }
    const made: Made = { need };
    this.#made.set(id, made);
    const draw = this.repaired ? 1 : random.next();
    if (draw < 0.15) {
      tally.add('provisioned node never comes');
      return;
    }
    const late = draw < 0.25;
    const wrong = draw >= 0.25 && draw < 0.35;
    if (late) tally.add('provisioned node comes late');
    if (wrong) tally.add('provisioned node of the wrong kind');
    const delayMs = 200 + random.int(START_MS_MAX) + (late ? (config.provisionDeadlineMs ?? 0) : 0);
    clock.timer(delayMs, () => {
      if (made.gone === true) return;
      made.host = this.#options.add({ ...labels, ...(wrong ? {} : { [RARE]: 'yes' }) });
      void made.host.start('fair');
    });
  }

  #deprovision(id: ProvisionId): void {
    const made = this.#made.get(id) ?? { need: '' };
    this.#made.set(id, made);
    if (made.host !== undefined && made.gone !== true) {
      this.#options.tally.add('deprovisioned');
      this.#options.remove(made.host);
    }
    made.gone = true;
  }
}

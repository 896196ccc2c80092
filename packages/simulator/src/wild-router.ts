/** A router for the simulation whose advice is worth nothing: placement must come to an end with it as without it. */
import type { Hints, RouteAsk, RouterPort } from '@boi/cluster';
import { sleep } from '@boi/core';
import { SeededRandom } from '@boi/core/testing';
import type { Tally } from './kinds.ts';
import type { NodeClock } from './node-clock.ts';

const LATE_MS_MAX = 120;

export function wildRouter(seed: number, process: NodeClock, tally: Tally): RouterPort {
  const random = new SeededRandom(seed);
  return {
    ready: true,
    async hint({ tasks }: RouteAsk): Promise<Hints> {
      tally.add('router advises');
      await sleep(process, random.int(LATE_MS_MAX));
      if (random.next() < 0.1) throw new Error('the router failed');
      const worst = random.next() < 0.1;
      return new Map(
        tasks.map(({ task, eligible }) => {
          const rate = () => (worst ? -1 : random.pick([0, 0, 0.001, 1, 100]));
          return [task, new Map(eligible.map((id) => [id, rate()]))];
        }),
      );
    },
  };
}

/** Draws what the network between one node and the store does to each call and each delivery of a watch. */
import type { SeededRandom } from '@boi/core/testing';
import type { CallFault, FaultPlan } from '@boi/store/testing';

/** How bad a connection is; `deaf` hears no replies at all, though its requests arrive: half a partition. */
export type Weather = 'fair' | 'poor' | 'foul' | 'deaf';

export const WEATHERS: readonly Weather[] = ['fair', 'fair', 'fair', 'poor', 'poor', 'foul', 'deaf'];

/** Chance of each fault per call. */
const RATES = { fair: 0, poor: 0.02, foul: 0.12, deaf: 0 } as const;

export function drawPlan(random: SeededRandom, weather: Weather): FaultPlan {
  const rate = RATES[weather];
  const chance = () => random.next() < rate;
  if (weather === 'deaf') return { call: () => ({ dropReply: true }), delivery: () => ({ delayMs: 2_000 }) };
  if (rate === 0) return {};
  return {
    call(call): CallFault | undefined {
      if (chance()) return { dropRequest: true };
      if (chance()) return { dropReply: true };
      if (chance()) return { refuse: true };
      const write = call.method === 'txn' || call.method === 'batch';
      const fault = {
        // Now and then beyond the deadline: applied after its caller gave up.
        ...(chance() ? { requestDelayMs: random.int(random.next() < 0.2 ? 9_000 : 800) } : {}),
        ...(chance() ? { replyDelayMs: random.int(800) } : {}),
        ...(write && chance() ? { repeatAfterMs: random.int(3_000) } : {}),
      };
      return Object.keys(fault).length === 0 ? undefined : fault;
    },
    delivery() {
      if (random.next() < rate / 10) return { lose: true };
      return chance() ? { delayMs: random.int(1_500) } : undefined;
    },
  };
}

/** Draws what the network between one node and the store does to each call and each delivery of a watch. */
import type { SeededRandom } from '@boi/core/testing';
import { DEADLINE_DEFAULT_MS } from '@boi/store';
import type { CallFault, FaultPlan, StoreCall } from '@boi/store/testing';
import type { Kind, Tally } from './kinds.ts';

/**
 * How a connection is. *deaf* hears no replies though its requests arrive, *mute* is heard by nobody though it hears its
 * watches: the two halves of a partition. *blind*: calls work, watches come very late. *slow*: everything takes its time.
 */
export type Weather = 'fair' | 'poor' | 'foul' | 'deaf' | 'mute' | 'blind' | 'slow';

export const WEATHERS: readonly Weather[] = [
  'fair',
  'fair',
  'fair',
  'poor',
  'poor',
  'foul',
  'deaf',
  'mute',
  'blind',
  'slow',
];

/** Chance of each fault per call. */
const RATES = { poor: 0.02, foul: 0.12 } as const;
/** Part of the calls that take a while though nothing is wrong: what makes two nodes' steps interleave. */
const LATENCY_RATE = 0.2;
const LATENCY_MS_MAX = 20;
const DEAF_DELAY_MS = 2_000;
const BLIND_DELAY_MS = 15_000;
const SLOW_REQUEST_MS_MAX = 7_000;
const SLOW_REPLY_MS_MAX = 3_000;

export function drawPlan(random: SeededRandom, weather: Weather, tally: Tally): FaultPlan {
  const happens = (kind: Kind) => {
    tally.add(kind);
    return true as const;
  };
  const late = (ms: number): CallFault => {
    tally.add(ms >= DEADLINE_DEFAULT_MS ? 'request after its deadline' : 'request late');
    return { requestDelayMs: ms };
  };
  const latency = (): CallFault | undefined =>
    random.next() < LATENCY_RATE ? { requestDelayMs: 1 + random.int(LATENCY_MS_MAX) } : undefined;
  switch (weather) {
    case 'fair':
      return { call: latency };
    case 'deaf':
      tally.add('partition, replies lost');
      return { call: () => ({ dropReply: true }), delivery: () => ({ delayMs: DEAF_DELAY_MS }) };
    case 'mute':
      tally.add('partition, requests lost');
      return { call: () => ({ dropRequest: true }) };
    case 'blind':
      tally.add('watches blind for long');
      return { call: latency, delivery: () => ({ delayMs: BLIND_DELAY_MS }) };
    case 'slow':
      tally.add('store slow');
      return {
        call: () => ({
          ...late(Math.floor(random.next() ** 3 * SLOW_REQUEST_MS_MAX)),
          replyDelayMs: Math.floor(random.next() ** 3 * SLOW_REPLY_MS_MAX),
        }),
      };
    default: {
      const rate = RATES[weather];
      const chance = () => random.next() < rate;
      return {
        call(call: StoreCall): CallFault | undefined {
          if (chance()) return { dropRequest: happens('request lost') };
          if (chance()) return { dropReply: happens('reply lost') };
          if (chance()) return { refuse: happens('call refused') };
          const write = call.method === 'txn' || call.method === 'batch';
          return {
            ...latency(),
            // Now and then beyond the deadline: applied after its caller gave up.
            ...(chance() ? late(random.next() < 0.2 ? random.int(9_000) : random.int(800)) : {}),
            ...(chance() && happens('reply late') ? { replyDelayMs: random.int(800) } : {}),
            ...(write && chance() && happens('duplicate delivery') ? { repeatAfterMs: random.int(3_000) } : {}),
          };
        },
        delivery() {
          if (random.next() < rate / 10) return { lose: happens('watch cut') };
          return chance() && happens('watch delayed') ? { delayMs: random.int(1_500) } : undefined;
        },
      };
    }
  }
}

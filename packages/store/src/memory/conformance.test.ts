import { VirtualClock } from '@boi/core/testing';
import { storeConformance } from '../testing/conformance.ts';
import { MemoryServer } from './server.ts';

for (const [name, revisionBase] of [
  ['the memory store', 0n],
  ['the memory store beyond revision 2^53', 2n ** 60n],
] as const) {
  storeConformance(name, async () => {
    const clock = new VirtualClock();
    const server = new MemoryServer({ clock, revisionBase });
    const store = server.connect();
    return {
      store,
      connect: () => server.connect(),
      elapse: (ms) => clock.advance(ms),
      stop: async () => {
        await store.close();
        server.stop();
      },
    };
  });
}

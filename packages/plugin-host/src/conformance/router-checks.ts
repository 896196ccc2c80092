/** Router: advice that is valid and quick. */
import type { router } from '@boi/proto';
import { hint } from '../clients/router-client.ts';
import { type Bench, type Check, expect, expectFailure } from './kit.ts';

export const routerChecks: readonly Check[] = [
  {
    name: 'rates candidates for one task and for 256',
    run: async (bench) => {
      const channel = await bench.channel();
      for (const tasks of [1, 256]) await hint(channel, request(bench, tasks, 20), { timeoutMs: 10_000 });
    },
  },
  {
    name: 'answers within the 50 ms that placement waits, half of the time or more',
    run: async (bench) => {
      const channel = await bench.channel();
      let inTime = 0;
      for (let i = 0; i < 20; i++) {
        const before = bench.clock.mono();
        await hint(channel, request(bench, 10, 10), { timeoutMs: 10_000 });
        if (bench.clock.mono() - before < 50) inTime++;
      }
      expect(inTime >= 10, `${inTime} of 20 were answered in time`);
    },
  },
  {
    name: 'takes 20 calls at once',
    run: async (bench) => {
      const channel = await bench.channel();
      const calls = Array.from({ length: 20 }, () => hint(channel, request(bench, 5, 5), { timeoutMs: 10_000 }));
      await Promise.all(calls);
    },
  },
  {
    name: 'refuses a request without tasks or candidates, and lives',
    run: async (bench) => {
      const channel = await bench.channel();
      const { tasks, candidates } = request(bench, 1, 1);
      await expectFailure(hint(channel, { candidates }, { timeoutMs: 10_000 }), 'refused');
      await expectFailure(hint(channel, { tasks }, { timeoutMs: 10_000 }), 'refused');
    },
  },
  {
    name: 'survives indexes that point nowhere',
    run: async (bench) => {
      const channel = await bench.channel();
      const { tasks, candidates } = request(bench, 1, 2);
      const astray = tasks.map((task) => ({ ...task, eligible: [1, 4_000_000_000] }));
      await hint(channel, { tasks: astray, candidates }, { timeoutMs: 10_000 }).catch(() => undefined);
      await channel.checkHealth(5_000);
    },
  },
];

function request({ minter }: Bench, tasks: number, candidates: number) {
  const specId: string = minter.mint('spec');
  const nodes = Array.from({ length: candidates }, (_, i) => ({
    nodeId: minter.mint('node') as string,
    slots: 4,
    busy: i % 5,
    queued: 0,
    capabilities: { os: 'linux', zone: `z${i % 3}` },
  }));
  const facts: router.TaskFacts[] = Array.from({ length: tasks }, () => ({
    taskId: minter.mint('spec').replace('spc', 'tsk'),
    specId,
    projectId: minter.mint('project'),
    slots: 1,
    attempt: 1,
    eligible: nodes.map((_, i) => i),
  }));
  return { tasks: facts, candidates: nodes };
}

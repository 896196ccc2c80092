/** Provisioner: one node for each request, whoever asks again; nothing left after a deprovision; the token never shown. */
import { randomHex } from '@boi/core';
import type { PluginChannel } from '../channel.ts';
import { deprovision, listProvisions, provision } from '../clients/provisioner-client.ts';
import { type Bench, type Check, expect, expectFailure, until } from './kit.ts';

export const provisionerChecks: readonly Check[] = [
  {
    name: 'makes a node once, however often and from wherever it is asked',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      const answers = await Promise.all(Array.from({ length: 5 }, () => provision(channel, request)));
      expect(
        answers.filter(({ alreadyProvisioned }) => !alreadyProvisioned).length === 1,
        'one call of five should start it',
      );
      expect(new Set(answers.map(({ handle }) => handle)).size === 1, 'all should be told the same handle');
      await deprovision(channel, request.requestId);
    },
  },
  {
    name: 'knows it after a crash',
    run: async (bench) => {
      const request = newRequest(bench);
      await provision(await bench.channel(), request);
      const channel = await bench.crash();
      expect((await provision(channel, request)).alreadyProvisioned, 'it was made a second time');
      expect((await stateOf(channel, request.requestId)) !== undefined, 'it should be listed');
      await deprovision(channel, request.requestId);
    },
  },
  {
    name: 'has it running after a while, and removes it',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      await provision(channel, request);
      await until(
        bench,
        'running',
        async () => (await stateOf(channel, request.requestId)) === 'PROVISION_STATE_RUNNING',
      );
      expect((await deprovision(channel, request.requestId)).existed, 'existed should be told');
      expect((await stateOf(channel, request.requestId)) === undefined, 'it should not be listed any more');
    },
  },
  {
    name: 'takes the deprovision of what it does not know, or knows no more',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      expect(!(await deprovision(channel, request.requestId)).existed, 'existed should be false');
      await provision(channel, request);
      await deprovision(channel, request.requestId);
      expect(!(await deprovision(channel, request.requestId)).existed, 'the second time there should be nothing');
    },
  },
  {
    name: 'refuses a request without an id or an address, or whose deadline has passed',
    run: async (bench) => {
      const channel = await bench.channel();
      const late = { deadlineMs: String(bench.clock.now() - 1_000) };
      for (const wrong of [{ requestId: '' }, { bootstrapAddresses: [] }, { requestId: '../../escape' }, late])
        await expectFailure(provision(channel, { ...newRequest(bench), ...wrong }), 'refused');
    },
  },
  {
    name: 'never writes a join token',
    run: async (bench) => {
      const shown = bench.lines.find((line) => tokens.some((token) => line.includes(token)));
      expect(tokens.length > 0 && shown === undefined, 'a token is in its output');
    },
  },
];

const tokens: string[] = [];

function newRequest({ minter, random, clock }: Bench) {
  const joinToken = randomHex(random, 16);
  tokens.push(joinToken);
  return {
    requestId: minter.mint('provision') as string,
    requirements: [{ key: 'os', equals: 'linux' }],
    slots: 1,
    tasks: 1,
    joinToken,
    bootstrapAddresses: ['https://127.0.0.1:1'],
    deadlineMs: String(clock.now() + 60_000),
    labels: { pool: 'test' },
  };
}

async function stateOf(channel: PluginChannel, requestId: string): Promise<string | undefined> {
  return (await listProvisions(channel)).find((provision) => provision.requestId === requestId)?.state;
}

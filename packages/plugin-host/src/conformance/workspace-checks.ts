/** Workspace: one directory for each key, found again, removed or kept as asked. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PluginChannel } from '../channel.ts';
import { cleanupWorkspace, listWorkspaces, prepareWorkspace } from '../clients/workspace-client.ts';
import { type Bench, type Check, expect, expectFailure } from './kit.ts';

let fences = 0;

export const workspaceChecks: readonly Check[] = [
  {
    name: 'prepares a directory with content, and finds it again',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      const first = await prepareWorkspace(channel, request);
      expect(readdirSync(first.path).length > 0, `${first.path} is empty`);
      expect(!first.alreadyPrepared, 'a new one should not be told as already prepared');
      writeFileSync(join(first.path, 'made-by-task'), 'x');
      const second = await prepareWorkspace(channel, request);
      expect(second.alreadyPrepared && second.path === first.path, "the second call should find the first one's");
      expect(existsSync(join(first.path, 'made-by-task')), 'what the task made should still be there');
      await cleanupWorkspace(channel, request);
    },
  },
  {
    name: 'finds it again after a crash',
    run: async (bench) => {
      const request = newRequest(bench);
      const first = await prepareWorkspace(await bench.channel(), request);
      const channel = await bench.crash();
      expect((await prepareWorkspace(channel, request)).path === first.path, 'it made another one');
      await cleanupWorkspace(channel, request);
    },
  },
  {
    name: 'prepares 20 at once, each of its own',
    run: async (bench) => {
      const channel = await bench.channel();
      const requests = Array.from({ length: 20 }, () => newRequest(bench));
      const answers = await Promise.all(requests.map((request) => prepareWorkspace(channel, request)));
      expect(new Set(answers.map(({ path }) => path)).size === 20, 'some share a directory');
      for (const { path } of answers) expect(readdirSync(path).length > 0, `${path} is empty`);
      await Promise.all(requests.map((request) => cleanupWorkspace(channel, request)));
      for (const { path } of answers) expect(!existsSync(path), `${path} was not removed`);
    },
  },
  {
    name: 'answers ten concurrent calls for one key with one workspace',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      const answers = await Promise.all(Array.from({ length: 10 }, () => prepareWorkspace(channel, request)));
      expect(answers.filter(({ alreadyPrepared }) => !alreadyPrepared).length === 1, 'it was prepared more than once');
      await cleanupWorkspace(channel, request);
    },
  },
  {
    name: 'cleans up twice, and what it does not know',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      await prepareWorkspace(channel, request);
      expect((await cleanupWorkspace(channel, request)).existed, 'existed should be told');
      expect(!(await cleanupWorkspace(channel, request)).existed, 'the second time there should be nothing');
    },
  },
  {
    name: 'keeps one when asked, lists it, and removes it when asked later',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      const { path } = await prepareWorkspace(channel, request);
      const kept = await cleanupWorkspace(channel, { ...request, keep: true });
      expect(kept.keptPath !== '' && existsSync(kept.keptPath), 'kept_path should be told and be there');
      const listed = (await listWorkspaces(channel)).find(({ taskId }) => taskId === request.taskId);
      expect(listed?.kept === true, 'it should be listed as kept');
      await cleanupWorkspace(channel, request);
      expect(!existsSync(path) && !(await isListed(channel, request.taskId)), 'it should be gone');
    },
  },
  {
    name: 'refuses what is missing, ill-formed or does not exist',
    run: async (bench) => {
      const channel = await bench.channel();
      const request = newRequest(bench);
      for (const wrong of [
        { taskId: '' },
        { fence: '0' },
        { taskId: '../../escape' },
        { ref: 'no-such-ref' },
        { source: '/no/such/source' },
      ])
        await expectFailure(prepareWorkspace(channel, { ...request, ...wrong }), 'refused');
      await expectFailure(prepareWorkspace(channel, { ...request, options: { 'no-such-option': '1' } }), 'refused');
    },
  },
];

function newRequest({ minter, source }: Bench) {
  const taskId: string = minter.mint('spec').replace('spc', 'tsk');
  return { taskId, fence: String(++fences), projectId: minter.mint('project') as string, source, ref: '' };
}

async function isListed(channel: PluginChannel, taskId: string): Promise<boolean> {
  return (await listWorkspaces(channel)).some((workspace) => workspace.taskId === taskId);
}

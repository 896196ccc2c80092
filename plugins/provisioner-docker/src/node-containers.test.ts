/** What a real engine cannot be made to do at a given moment; everything else is tried on one, by the container suite. */
import { openEngine } from '@boi/docker-engine';
import { FakeEngine } from '@boi/docker-engine/testing';
import type { provisioner } from '@boi/plugin-sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tellEnds } from './ends.ts';
import { NodeContainers } from './node-containers.ts';
import { readSettings } from './settings.ts';

let fake: FakeEngine;
beforeEach(async () => {
  fake = await FakeEngine.start('boi-node');
});
afterEach(() => fake.stop());

/** A process of the plugin. */
const plugin = (...args: string[]) =>
  new NodeContainers(openEngine(fake.socket), readSettings(['--image', 'boi-node', ...args]));
const request = (requestId: string, change: object = {}): provisioner.ProvisionRequest__Output => ({
  requestId,
  requirements: [],
  slots: 1,
  tasks: 1,
  joinToken: 'very-secret',
  bootstrapAddresses: ['https://a'],
  deadlineMs: String(Date.now() + 60_000),
  labels: {},
  ...change,
});
const NAME = 'boi-node-1';

describe('a request', () => {
  test('is one container, whichever process is asked and how often, and the token is a file in it', async () => {
    const [a, b] = [plugin(), plugin()];
    expect(await a.provision(request('prq_1'))).toEqual({ alreadyProvisioned: false, handle: NAME });
    expect(await b.provision(request('prq_1'))).toEqual({ alreadyProvisioned: true, handle: NAME });
    expect(fake.started()).toEqual([NAME]);
    const container = fake.containers.get(NAME);
    expect(container?.archives.map(String)).toEqual([expect.stringContaining('very-secret')]);
    expect(JSON.stringify(container?.config)).not.toContain('very-secret');
  });

  test('killed between the making and the start is finished by the next process, with its token', async () => {
    await openEngine(fake.socket).createContainer({ name: NAME, Image: 'boi-node', Labels: {} });
    expect(await plugin().provision(request('prq_1'))).toMatchObject({ alreadyProvisioned: false });
    expect(fake.started()).toEqual([NAME]);
    expect(fake.containers.get(NAME)?.archives).toHaveLength(1);
  });

  test('of a name that another process has just taken, or that it has just started, is no second one', async () => {
    fake.names.add(NAME);
    await expect(plugin().provision(request('prq_1'))).rejects.toMatchObject({ kind: 'unavailable' });
    fake.names.delete(NAME);
    const answers = await Promise.all(
      [plugin(), plugin()].map((nodes) => nodes.provision(request('prq_1')).catch(() => undefined)),
    );
    expect(answers.filter((answer) => answer?.alreadyProvisioned === false)).toHaveLength(1);
    expect(fake.containers.size).toBe(1);
  });

  test('beyond the maximum is refused, also of two at once', async () => {
    const nodes = plugin('--max', '1');
    const outcomes = await Promise.allSettled([nodes.provision(request('prq_1')), nodes.provision(request('prq_2'))]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(nodes.provision(request('prq_3'))).rejects.toMatchObject({ kind: 'resource-exhausted' });
    await nodes.deprovision('prq_1');
    await nodes.deprovision('prq_2');
    await nodes.provision(request('prq_3'));
  });

  test('that cannot be met is refused: no image, other labels, too late', async () => {
    await expect(plugin('--image', 'nothing').provision(request('prq_1'))).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: 'image nothing: the engine does not have it; pull or build it there',
    });
    const requirements = [{ key: 'gpu', test: 'equals', equals: 'h100' }];
    const refused = { kind: 'failed-precondition' };
    await expect(plugin('--offers', 'gpu=a100').provision(request('prq_1', { requirements }))).rejects.toMatchObject(
      refused,
    );
    await expect(plugin().provision(request('prq_1', { deadlineMs: String(Date.now() - 1) }))).rejects.toMatchObject(
      refused,
    );
    expect(fake.containers.size).toBe(0);
  });

  test('while the engine is away may be tried again, and so may a removal', async () => {
    const nodes = plugin();
    await fake.pause();
    await expect(nodes.provision(request('prq_1'))).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(nodes.deprovision('prq_1')).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(nodes.list()).rejects.toMatchObject({ kind: 'unavailable' });
    await fake.resume();
    expect(await nodes.deprovision('prq_1')).toEqual({ existed: false });
  });
});

describe('a list', () => {
  test('tells how far each node is, and how one has ended by itself', async () => {
    const nodes = plugin();
    await nodes.provision(request('prq_1'));
    expect(await nodes.list()).toEqual([
      { requestId: 'prq_1', state: 'PROVISION_STATE_RUNNING', handle: NAME, message: '' },
    ]);
    const container = fake.containers.get(NAME);
    if (container === undefined) throw new Error('it is not there');
    fake.end(NAME, 5);
    expect(await nodes.list()).toMatchObject([
      { state: 'PROVISION_STATE_FAILED', message: `the node has ended with exit code 5; see \`docker logs ${NAME}\`` },
    ]);
    await expect(nodes.provision(request('prq_1'))).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringContaining('exit code 5'),
    });
    Object.assign(container.state, { OOMKilled: true });
    expect(await nodes.list()).toMatchObject([{ message: expect.stringContaining('ran out of memory') }]);
    expect(await nodes.deprovision('prq_1')).toEqual({ existed: true });
    expect(await nodes.list()).toEqual([]);
  });

  test('tells of one that was made and not started, and of one that could not be', async () => {
    const Labels = { 'boi.provisioner.request': 'prq_1' };
    await openEngine(fake.socket).createContainer({ name: NAME, Image: 'boi-node', Labels });
    expect(await plugin().list()).toMatchObject([{ requestId: 'prq_1', state: 'PROVISION_STATE_STARTING' }]);
    Object.assign(fake.containers.get(NAME)?.state ?? {}, { ExitCode: 127, Error: 'no such program' });
    const message = 'it could not be started: no such program';
    expect(await plugin().list()).toMatchObject([{ state: 'PROVISION_STATE_FAILED', message }]);
    await expect(plugin().provision(request('prq_1'))).rejects.toMatchObject({ kind: 'failed-precondition', message });
  });
});

describe('the log of the plugin', () => {
  test('tells of a node that ended by itself, not of one that was removed; also after the engine was away', async () => {
    const nodes = plugin();
    const said: string[] = [];
    let heard: () => void = () => undefined;
    const closing = new AbortController();
    const follows = async (times: number) => {
      const asked = () => fake.calls.filter((call) => call === 'GET /events').length;
      await expect.poll(asked, { timeout: 10_000 }).toBe(times);
    };
    const say = (line: string) => {
      said.push(line);
      heard();
    };
    const isRemoved = (container: string) => nodes.isRemoved(container);
    const telling = tellEnds({ docker: openEngine(fake.socket), isRemoved, say }, closing.signal);
    await follows(1);
    await fake.pause();
    await fake.resume();
    await follows(2);
    for (const id of ['prq_1', 'prq_2']) await nodes.provision(request(id));
    await nodes.deprovision('prq_2');
    const told = new Promise<void>((resolve) => {
      heard = resolve;
    });
    fake.end(NAME, 5);
    await told;
    expect(said).toEqual([`${NAME}, made for prq_1, has ended with exit code 5`]);
    closing.abort();
    await telling;
  }, 30_000);
});

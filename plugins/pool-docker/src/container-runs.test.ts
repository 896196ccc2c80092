/** What a real engine cannot be made to do at a given moment; everything else is tried on one, by the container suite. */
import { openEngine } from '@boi/docker-engine';
import { FakeEngine } from '@boi/docker-engine/testing';
import type { Call, pool } from '@boi/plugin-sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ContainerRuns } from './container-runs.ts';
import { readSettings } from './settings.ts';

let fake: FakeEngine;
beforeEach(async () => {
  fake = await FakeEngine.start('debian');
});
afterEach(() => fake.stop());

/** A process of the plugin. */
const plugin = (nodeId = 'nod_1', ...args: string[]) => {
  const runs = new ContainerRuns(openEngine(fake.socket), readSettings(['--image', 'debian', ...args], '0:0'));
  runs.introduced({ nodeId, pluginId: 'pool' });
  return runs;
};
const request = (fence: string, taskId = 'tsk_1') =>
  ({
    taskId,
    fence,
    argv: ['true'],
    env: {},
    workdir: '',
    slots: 1,
    options: {},
  }) as unknown as pool.SpawnRequest__Output;
const NAME = 'boi-tsk_1.7';
const container = (name = NAME) => {
  const found = fake.containers.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};
const frame = (text: string) => {
  const body = Buffer.from(`2026-11-21T19:42:49.460486331Z ${text}`);
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(body.length, 4);
  return Buffer.concat([header, body]);
};

describe('a spawn', () => {
  test('asked for by two processes of the plugin at once makes and starts one container', async () => {
    const [a, b] = [plugin(), plugin()];
    const answers = await Promise.all([a, b, a, b].map((runs) => runs.spawn(request('7'))));
    expect(fake.containers.size).toBe(1);
    expect(answers.filter(({ alreadySpawned }) => !alreadySpawned)).toHaveLength(1);
    expect(await b.spawn(request('7'))).toEqual({ alreadySpawned: true, handle: NAME });
  });

  test('killed between the making and the start is finished by the next process', async () => {
    const docker = openEngine(fake.socket);
    await docker.createContainer({ name: NAME, Image: 'debian', Labels: {} });
    expect(await plugin().spawn(request('7'))).toEqual({ alreadySpawned: false, handle: NAME });
    expect(fake.started()).toEqual([NAME]);
  });

  test('of a name that another process has just taken waits for its container, and makes it if none comes', async () => {
    fake.names.add(NAME);
    const spawned = plugin().spawn(request('7'));
    const tried = () => fake.calls.filter((call) => call === 'POST /containers/create').length;
    await expect.poll(tried, { timeout: 10_000 }).toBeGreaterThan(1);
    fake.names.delete(NAME);
    expect(await spawned).toEqual({ alreadySpawned: false, handle: NAME });
    expect(fake.started()).toEqual([NAME]);
  }, 20_000);

  test('does not start again what has ended', async () => {
    await plugin().spawn(request('7'));
    fake.end(NAME, 0);
    expect(await plugin().spawn(request('7'))).toMatchObject({ alreadySpawned: true });
    expect(fake.started()).toEqual([NAME]);
  });

  test('under an older fence is refused, also when the newer claim is of another node, and leaves nothing', async () => {
    await plugin('nod_2').spawn(request('8'));
    await expect(plugin().spawn(request('7'))).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect([...fake.containers.keys()]).toEqual(['boi-tsk_1.8']);
  });

  test('that was made before a newer claim came is not started after it', async () => {
    await openEngine(fake.socket).createContainer({ name: NAME, Image: 'debian', Labels: {} });
    await plugin('nod_2').spawn(request('8'));
    await expect(plugin().spawn(request('7'))).rejects.toMatchObject({ kind: 'failed-precondition' });
    expect(fake.started()).toEqual(['boi-tsk_1.8']);
    expect([...fake.containers.keys()]).toEqual(['boi-tsk_1.8']);
  });

  test('of an image that the engine lacks pulls it, once; and says so if it cannot, or may not', async () => {
    fake.images.clear();
    await expect(plugin().spawn(request('7'))).rejects.toMatchObject({
      kind: 'failed-precondition',
      message: expect.stringMatching(/^image debian: the engine does not have it and cannot pull it: .*not found/),
    });
    await expect(plugin('nod_1', '--pull', 'never').spawn(request('7'))).rejects.toMatchObject({
      message: 'image debian: the engine does not have it, and --pull is never',
    });
    fake.registry.add('debian');
    await plugin().spawn(request('7'));
    expect(fake.started()).toEqual([NAME]);
    expect(fake.calls.filter((call) => call === 'POST /images/create')).toHaveLength(2);
  });

  test('while the engine is away may be tried again', async () => {
    const runs = plugin();
    await fake.pause();
    await expect(runs.spawn(request('7'))).rejects.toMatchObject({ kind: 'unavailable' });
    await fake.resume();
    expect(await runs.spawn(request('7'))).toMatchObject({ alreadySpawned: false });
  });
});

describe('a tail', () => {
  const call = (signal = new AbortController().signal) => ({ signal }) as Call;

  test('whose reading the engine ends in the middle goes on where it was, and the end comes last', async () => {
    const runs = plugin();
    await runs.spawn(request('7'));
    const log = Buffer.concat(['one\n', 'two\n', 'three\n'].map(frame));
    // The second line without its end.
    const readsBytesMax = frame('one\n').length + frame('two').length;
    Object.assign(container(), { log, readsBytesMax });
    const read: string[] = [];
    let told: pool.TailResponse['end'];
    for await (const { chunk, end: ending } of runs.tail({ taskId: 'tsk_1', fence: '7' }, 2, call())) {
      told = ending;
      if (chunk === undefined || chunk === null) continue;
      expect(Number(chunk.offset)).toBe(2 + read.join('').length);
      read.push(String(chunk.data));
      if (read.join('') === 'e\ntwo') {
        // It ends before anybody looks again.
        container().readsBytesMax = undefined;
        fake.end(NAME, 3);
      }
    }
    expect(read.join('')).toBe('e\ntwo\nthree\n');
    expect(told).toMatchObject({ exitCode: 3, endOffset: '14' });
  });

  test('ends when nobody listens any more, and is refused for what is not there', async () => {
    const runs = plugin();
    await runs.spawn(request('7'));
    const leave = new AbortController();
    const tail = runs.tail({ taskId: 'tsk_1', fence: '7' }, 0, call(leave.signal))[Symbol.asyncIterator]();
    const next = tail.next();
    leave.abort();
    expect(await next).toMatchObject({ done: true });
    const unknown = runs.tail({ taskId: 'tsk_2', fence: '7' }, 0, call())[Symbol.asyncIterator]();
    await expect(unknown.next()).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('a list', () => {
  test('has what this plugin of this node made, whichever process of it', async () => {
    await plugin().spawn(request('7'));
    await plugin('nod_2').spawn(request('7', 'tsk_2'));
    const other = plugin();
    expect(await other.list()).toEqual([{ taskId: 'tsk_1', fence: '7', running: true, handle: NAME }]);
    fake.end(NAME, 0);
    expect(await other.list()).toMatchObject([{ running: false }]);
    await other.release({ taskId: 'tsk_1', fence: '7' });
    expect(await other.list()).toEqual([]);
  });
});

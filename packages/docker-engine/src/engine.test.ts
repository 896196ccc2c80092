import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { containersWith, openEngine, refusalOf, remove, stateOf } from './engine.ts';
import { FakeEngine } from './testing/index.ts';
import { Turns } from './turns.ts';

let fake: FakeEngine;
beforeEach(async () => {
  fake = await FakeEngine.start();
});
afterEach(() => fake.stop());

describe('an engine', () => {
  test('that is away is unavailable, and the message says where it should be', async () => {
    const docker = openEngine(fake.socket);
    await fake.pause();
    const away = { kind: 'unavailable', message: expect.stringContaining(`at ${fake.socket} does not answer`) };
    await expect(containersWith(docker, ['x'])).rejects.toMatchObject(away);
    await expect(stateOf(docker.getContainer('x'))).rejects.toMatchObject(away);
    await expect(remove(docker.getContainer('x'))).rejects.toMatchObject(away);
    await fake.resume();
    expect(await containersWith(docker, ['x'])).toEqual([]);
  });

  test('is quoted without the status that its library puts before its words', () => {
    const error = Object.assign(new Error('(HTTP code 400) bad parameter - no such mount '), {
      statusCode: 400,
      json: { message: 'no such mount' },
    });
    expect(refusalOf(error)).toMatchObject({
      kind: 'failed-precondition',
      message: 'the Docker engine: no such mount',
    });
  });

  test('has nothing to remove where there is nothing', async () => {
    const container = openEngine(fake.socket).getContainer('x');
    expect(await stateOf(container)).toBeUndefined();
    await remove(container);
  });
});

describe('turns', () => {
  test('are taken one after the other under a name, and side by side under two', async () => {
    const turns = new Turns();
    const order: string[] = [];
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const first = turns.take('a', async () => {
      await gate;
      order.push('first');
      throw new Error('it failed');
    });
    const second = turns.take('a', async () => order.push('second'));
    await turns.take('b', async () => order.push('other'));
    go();
    await expect(first).rejects.toThrow('it failed');
    await second;
    expect(order).toEqual(['other', 'first', 'second']);
  });
});

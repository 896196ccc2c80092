/** A node's own logs as events, over a real log store: whatever its reader does, nothing stays open. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdMinter, taskId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { LogStore } from '@boi/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { StoredLogs } from './local-logs.ts';
import type { LogLine } from './log-relay.ts';

// Real files: on a busy machine they take their time.
vi.setConfig({ testTimeout: 60_000 });

let dataDir: string;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'boi-local-logs-'));
});
afterAll(() => rm(dataDir, { recursive: true }));

const clock = new VirtualClock();
const spec = new IdMinter(clock, new SeededRandom(1)).mint('spec');
const signal = new AbortController().signal;
let tasks = 0;

/** A log of 200,000 bytes, 64 KiB an event. */
async function written(): Promise<{ logs: StoredLogs; at: Omit<Parameters<StoredLogs['read']>[0], 'follow'> }> {
  tasks += 1;
  const store = new LogStore({ dataDir, clock });
  const at = { spec, task: taskId(spec, tasks), attempt: 1, delivery: 1 };
  const writer = store.create(at);
  writer.write('stdout', Buffer.alloc(200_000, 'x'));
  await writer.end();
  store.forget(at);
  return { logs: new StoredLogs(store), at: { ...at, signal } };
}

const descriptors = async () => (await readdir('/proc/self/fd')).length;

test.each([true, false])('a reader that goes away in the middle leaves nothing open (follow: %s)', async (follow) => {
  const { logs, at } = await written();
  const before = await descriptors();
  for await (const event of logs.read({ ...at, follow })) {
    expect(event.type).toBe('data');
    expect(await descriptors()).toBe(before + 2);
    break;
  }
  expect(await descriptors()).toBe(before);
});

test.each([
  [true, undefined, 200_000, true],
  [true, 70_000, 70_000, false],
  [false, undefined, 200_000, true],
  [false, 70_000, 70_000, true],
])('with follow %s and a limit of %s there are %i bytes, and the end', async (follow, limit, bytes, complete) => {
  const { logs, at } = await written();
  const events: LogLine[] = [];
  for await (const event of logs.read({ ...at, follow, ...(limit === undefined ? {} : { limit }) })) events.push(event);
  expect(events.at(-1)).toEqual({ type: 'end', complete });
  const data = events.flatMap((event) => (event.type === 'data' ? [event] : []));
  expect(data.reduce((sum, { offset, next }) => sum + next - offset, 0)).toBe(bytes);
  expect(data.map(({ offset }) => offset)).toEqual([0, ...data.slice(0, -1).map(({ next }) => next)]);
});

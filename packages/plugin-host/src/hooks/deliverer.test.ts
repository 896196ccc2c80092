/** A plugin that takes events and says nothing, for longer than it may, on a clock that is moved by hand. The trail is real. */
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VirtualClock } from '@boi/core/testing';
import type { hooks } from '@boi/proto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PluginChannel } from '../channel.ts';
import type { PluginError } from '../errors.ts';
import { someEvent, someEvents } from '../testing/events.ts';
import { AuditTrail, UNACKNOWLEDGED_MAX } from './audit-trail.ts';
import { BestEffortQueue } from './best-effort-queue.ts';
import { Deliverer, type ReadyPlugin } from './deliverer.ts';
import { MemoryHighWaterMarks } from './ports.ts';

const TIMEOUT_MS = 30_000;

/** The other side of a stream: what was sent on it, and acknowledgements as long as the plugin does not hang. */
class TestStream extends EventEmitter {
  readonly sent: hooks.Event[] = [];
  readonly #plugin: TestPlugin;
  cancelled = false;

  constructor(plugin: TestPlugin) {
    super();
    this.#plugin = plugin;
  }

  write({ event }: hooks.DeliverRequest): boolean {
    this.sent.push(event as hooks.Event);
    if (!this.#plugin.hangs) queueMicrotask(() => this.emit('data', { acknowledgedSequence: event?.sequence }));
    return true;
  }

  cancel(): void {
    this.cancelled = true;
  }
}

class TestPlugin implements ReadyPlugin {
  readonly streams: TestStream[] = [];
  hangs = true;

  untilReady(): Promise<PluginChannel> {
    const stream = () => {
      const opened = new TestStream(this);
      this.streams.push(opened);
      return opened;
    };
    return Promise.resolve({ plugin: 'audit', stream } as unknown as PluginChannel);
  }

  changed(): Promise<void> {
    return new Promise(() => undefined);
  }
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-deliver-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

test('a plugin that hangs for minutes holds the work that emits, which goes on when it takes again, with nothing lost', async () => {
  const clock = new VirtualClock();
  const problems: PluginError[] = [];
  const saturated: boolean[] = [];
  const trail = new AuditTrail({
    directory: join(directory, 'wal'),
    node: 'n',
    plugin: 'audit',
    clock,
    marks: new MemoryHighWaterMarks(),
    settle: () => Promise.resolve({ outcome: 'unknown' }),
    onProblem: (message) => expect.fail(message),
    onSaturated: (now) => saturated.push(now),
  });
  await trail.open();
  const plugin = new TestPlugin();
  const deliverer = new Deliverer({ plugin, source: trail, clock, onProblem: (error) => problems.push(error) });
  deliverer.start();

  const events = someEvents(UNACKNOWLEDGED_MAX);
  await trail.tell(events);
  await expect.poll(() => plugin.streams[0]?.sent).toHaveLength(UNACKNOWLEDGED_MAX);
  const intended = someEvent();
  const told = someEvent();
  const done: string[] = [];
  const transaction = trail.intend([{ event: intended }]).then(async ([intent]) => {
    done.push('intended');
    await intent?.happened();
  });
  const telling = trail.tell([told]).then(() => done.push('told'));

  await clock.advance(TIMEOUT_MS - 1);
  expect([problems.length, plugin.streams.length, done]).toEqual([0, 1, []]);
  expect([trail.hasRoom, saturated]).toEqual([false, [true]]);
  await clock.advance(1);
  expect(problems).toMatchObject([{ reason: 'timed-out', message: expect.stringContaining('event 1 is not') }]);
  expect(plugin.streams[0]?.cancelled).toBe(true);
  // Each time it is given the same again, and the work waits on.
  await clock.advance(4 * TIMEOUT_MS);
  expect(problems.length).toBeGreaterThanOrEqual(3);
  for (const { sent } of plugin.streams) expect(sent.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  expect([done, saturated]).toEqual([[], [true]]);

  const before = plugin.streams.length;
  plugin.hangs = false;
  await clock.advance(TIMEOUT_MS + 5_000);
  await Promise.all([transaction, telling]);
  const all = [...events, intended, told].map(({ id }) => id);
  const taken = () => plugin.streams.slice(before).flatMap(({ sent }) => sent);
  await expect.poll(() => trail.acknowledged).toBe(all.length);
  expect(taken().map(({ sequence }) => Number(sequence))).toEqual(all.map((_, i) => i + 1));
  expect(
    taken()
      .map(({ id }) => id)
      .sort(),
  ).toEqual([...all].sort());
  expect([trail.hasRoom, trail.outstanding, saturated]).toEqual([true, 0, [true, false]]);
  await deliverer.stop();
  await trail.close();
});

test('a plugin that repeats an acknowledgement has acknowledged nothing, and one that does only that is not listened to', async () => {
  const clock = new VirtualClock();
  const problems: PluginError[] = [];
  const source = new BestEffortQueue();
  const plugin = new TestPlugin();
  const deliverer = new Deliverer({ plugin, source, clock, onProblem: (error) => problems.push(error) });
  const repeat = (stream: TestStream | undefined, times: number) => {
    for (let i = 0; i < times; i++) stream?.emit('data', { acknowledgedSequence: '0' });
  };
  source.push(someEvent());
  deliverer.start();
  await expect.poll(() => plugin.streams[0]?.sent).toHaveLength(1);
  await clock.advance(TIMEOUT_MS / 2);
  repeat(plugin.streams[0], 1_000);
  await clock.advance(TIMEOUT_MS / 2);
  expect(problems).toMatchObject([{ reason: 'timed-out', message: expect.stringContaining('event 1 is not') }]);

  await clock.advance(5_000);
  await expect.poll(() => plugin.streams[1]?.sent).toHaveLength(1);
  repeat(plugin.streams[1], 1_001);
  await clock.advance(0);
  await expect.poll(() => problems[1]).toMatchObject({ reason: 'invalid-answer' });
  expect(plugin.streams[1]?.cancelled).toBe(true);
  await deliverer.stop();
});

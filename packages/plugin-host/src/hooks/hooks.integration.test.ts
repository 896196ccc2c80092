import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { PluginConfig } from '../config.ts';
import { bundleProgram } from '../testing/bundle.ts';
import { someEvent, someEvents } from '../testing/events.ts';
import { type Lab, minter, openLab } from '../testing/lab.ts';
import { BestEffortQueue } from './best-effort-queue.ts';
import { Deliverer } from './deliverer.ts';
import { HooksHub } from './hub.ts';
import { MemoryHighWaterMarks } from './ports.ts';

let recording: string;
let emitting: string;
let lab: Lab;
beforeAll(async () => {
  const at = (name: string) => join(import.meta.dirname, '../testing', name);
  [recording, emitting] = await Promise.all([
    bundleProgram(at('recording-plugin.ts')),
    bundleProgram(at('emitting-node.ts')),
  ]);
});
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

const out = () => join(lab.directory, 'out');
const recorded = () =>
  existsSync(out())
    ? readFileSync(out(), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split(' ') as [string, string, string])
    : [];
const plugin = (mode = 'well', kinds = '', config: Partial<PluginConfig> = {}) =>
  lab.supervisor({
    kind: 'hooks',
    command: process.execPath,
    args: [recording, out(), mode, kinds],
    readyTimeoutMs: 20_000,
    ...config,
  });
const hubOf = (supervisor: ReturnType<typeof plugin>, problems: string[] = []) =>
  new HooksHub([supervisor], {
    clock: systemClock,
    nodeId: minter.mint('node'),
    directory: join(lab.directory, 'hooks'),
    marks: new MemoryHighWaterMarks(),
    settle: () => Promise.resolve({ outcome: 'unknown' }),
    onProblem: (_, message, error) => problems.push(`${message} ${String(error)}`),
  });

describe('delivery', () => {
  test('best effort: what was emitted before the plugin was ready arrives, in order', async () => {
    const supervisor = plugin('best-effort');
    const hub = hubOf(supervisor);
    await hub.start();
    const events = someEvents(250);
    await hub.tell(events);
    await supervisor.start();
    await expect.poll(() => recorded().length).toBe(250);
    expect(recorded().map(([, id]) => id)).toEqual(events.map(({ id }) => id));
    await expect.poll(() => hub.stats[0]).toMatchObject({ backlog: 0, dropped: 0, acknowledged: 250 });
    await hub.stop();
  });

  test('audit: a plugin that is killed gets the rest when it is back, in order and without a gap', async () => {
    const supervisor = plugin('well', '', { tier: 'audit' });
    const hub = hubOf(supervisor);
    await supervisor.start();
    await hub.start();
    const sent: string[] = [];
    for (let i = 0; i < 300; i++) {
      const event = someEvent();
      await hub.tell([event]);
      sent.push(event.id);
      if (i === 100) {
        await supervisor.untilReady();
        process.kill(supervisor.status.pid as number, 'SIGKILL');
      }
    }
    await expect.poll(() => hub.stats[0]?.backlog).toBe(0);
    const first = new Map(recorded().map(([sequence, id]) => [Number(sequence), id]));
    expect([...first.values()]).toEqual(sent);
    expect([...first.keys()]).toEqual(sent.map((_, i) => i + 1));
    await hub.stop();
  });

  test('a call of `deliver` that the node gave up is over before the next begins', async () => {
    const supervisor = plugin('slow');
    await supervisor.start();
    const source = new BestEffortQueue();
    const options = { plugin: supervisor, source, clock: systemClock, acknowledgeTimeoutMs: 100 };
    const deliverer = new Deliverer({ ...options, onProblem: () => undefined });
    deliverer.start();
    source.push(someEvent());
    await expect.poll(() => recorded().length).toBeGreaterThanOrEqual(4);
    await deliverer.stop();
    expect(recorded().map(([what]) => what)).toEqual(recorded().map((_, i) => (i % 2 === 0 ? 'begin' : 'end')));
  });

  test('audit: with 100 unacknowledged the work waits, and goes on when they are acknowledged', async () => {
    const supervisor = plugin('well', '', { tier: 'audit' });
    const hub = hubOf(supervisor);
    await hub.start();
    await hub.tell(someEvents(100));
    let isIn = false;
    const waiting = hub.intend([{ event: someEvent() }]).then((intents) => {
      isIn = true;
      return intents[0]?.happened();
    });
    await new Promise<void>((resolve) => systemClock.timer(200, resolve));
    expect(isIn).toBe(false);
    await supervisor.start();
    await waiting;
    await expect.poll(() => recorded().length).toBe(101);
    await hub.stop();
  });

  test('only the kinds that the plugin asked for go to it', async () => {
    const supervisor = plugin('best-effort', 'cluster.resumed');
    const hub = hubOf(supervisor);
    await hub.start();
    await supervisor.start();
    await supervisor.untilReady();
    const wanted = { ...someEvent(), kind: 'cluster.resumed' as const };
    await hub.tell([someEvent(), wanted, someEvent()]);
    await expect.poll(() => recorded().map(([, id]) => id)).toEqual([wanted.id]);
    await hub.stop();
  });

  test('a plugin made for best effort is refused where audit is asked for', async () => {
    const supervisor = plugin('best-effort', '', { tier: 'audit' });
    await supervisor.start();
    expect((await lab.reaches(supervisor, 'refused', 'ready')).error?.message).toContain('made for best effort');
  });

  test('one that acknowledges nothing is given up after its time and tried again, with a typed error', async () => {
    const supervisor = plugin('never');
    const source = new BestEffortQueue();
    source.push(someEvent());
    const reasons: string[] = [];
    const onProblem = ({ reason }: { reason: string }) => reasons.push(reason);
    const deliverer = new Deliverer({
      plugin: supervisor,
      source,
      clock: systemClock,
      onProblem,
      acknowledgeTimeoutMs: 100,
    });
    await supervisor.start();
    deliverer.start();
    await expect.poll(() => reasons.length).toBeGreaterThanOrEqual(2);
    expect(reasons[0]).toBe('timed-out');
    await deliverer.stop();
  });

  test('one that fails is tried again and nothing is lost', async () => {
    const supervisor = plugin('fails');
    const problems: string[] = [];
    const hub = hubOf(supervisor, problems);
    await supervisor.start();
    await hub.start();
    await hub.tell([someEvent()]);
    await expect.poll(() => problems.length).toBeGreaterThanOrEqual(2);
    expect(problems[0]).toContain('cannot take it');
    expect(hub.stats[0]).toMatchObject({ backlog: 1, acknowledged: 0 });
    await hub.stop();
  });
});

test('node and plugin killed at random moments: every promised event arrives, in order, without a gap, as one event', async () => {
  const random = new SeededRandom(20_261_121);
  const [promised, refused] = [new Set<string>(), new Set<string>()];
  for (let life = 0; life < 8; life++) {
    const isLast = life === 7;
    const child = spawn(process.execPath, [emitting, lab.directory, recording, isLast ? '20' : '1000000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const killAfter = 20 + Math.floor(random.next() * 300);
    let told = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [what = '', value = ''] = line.split(' ');
      if (what === 'told' || what === 'intended') promised.add(value);
      if (what === 'refused') refused.add(value);
      if (what === 'plugin' && random.next() < 0.5 && !isLast) killLater(Number(value), 5 + random.next() * 200);
      if (!isLast && ++told === killAfter) kill(child);
    }
    await ended;
    if (isLast) expect(child.exitCode).toBe(0);
  }
  const lines = recorded();
  const byNumber = new Map<number, string>();
  let before = 0;
  for (const [text, id] of lines) {
    const sequence = Number(text);
    // Repeats go back; what is new follows the last new one.
    if (sequence > before) {
      expect(sequence).toBe(before + 1);
      before = sequence;
    }
    expect(byNumber.get(sequence) ?? id).toBe(id);
    byNumber.set(sequence, id);
  }
  const arrived = new Set(byNumber.values());
  expect(arrived.size).toBe(byNumber.size);
  expect([...promised].filter((id) => !arrived.has(id))).toEqual([]);
  expect([...refused].filter((id) => arrived.has(id))).toEqual([]);
  expect(promised.size).toBeGreaterThan(200);
}, 120_000);

function kill(child: ChildProcess): void {
  child.kill('SIGKILL');
}

function killLater(pid: number, delayMs: number): void {
  systemClock.timer(delayMs, () => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended with its node.
    }
  });
}

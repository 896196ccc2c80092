import { appendFile, cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BoiEvent } from '@boi/core';
import { systemClock } from '@boi/system';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { someEvent, someEvents } from '../testing/events.ts';
import { AuditTrail, type AuditTrailOptions, UNACKNOWLEDGED_MAX } from './audit-trail.ts';
import { BestEffortQueue } from './best-effort-queue.ts';
import { MemoryHighWaterMarks } from './ports.ts';
import { decodeRecords, encodeRecord, type WalRecord } from './wal-format.ts';

let directory: string;
let marks: MemoryHighWaterMarks;
let problems: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-trail-'));
  marks = new MemoryHighWaterMarks();
  problems = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const open = async (options: Partial<AuditTrailOptions> = {}) => {
  const trail = new AuditTrail({
    directory: join(directory, 'wal'),
    node: 'n',
    plugin: 'p',
    clock: systemClock,
    marks,
    settle: () => Promise.resolve({ outcome: 'unknown' }),
    onProblem: (message) => problems.push(message),
    ...options,
  });
  await trail.open();
  return trail;
};
const ids = (trail: AuditTrail) => trail.after(trail.acknowledged, 10_000).map(({ event }) => event.id);
const idsOf = (events: readonly BoiEvent[]) => events.map(({ id }) => id);
const intended = (events: readonly BoiEvent[]) => events.map((event) => ({ event }));
const segments = async () => (await readdir(join(directory, 'wal'))).filter((name) => name.endsWith('.wal')).sort();
const isPending = async (promise: Promise<unknown>) => {
  const pending = Symbol('pending');
  return (await Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 30, pending))])) === pending;
};

describe('the audit trail', () => {
  test('numbers from 1 in the order in which outcomes are known, leaves out what did not happen', async () => {
    const trail = await open();
    const [a, b, c, d] = someEvents(4) as [BoiEvent, BoiEvent, BoiEvent, BoiEvent];
    const [first, second, third] = await trail.intend(intended([a, b, c]));
    await third?.happened();
    await second?.didNotHappen();
    await trail.tell([d]);
    await first?.unknown();
    expect(trail.after(0, 10)).toEqual([
      { sequence: 1, event: c },
      { sequence: 2, event: d },
      { sequence: 3, event: { ...a, outcome: 'unknown' } },
    ]);
    await trail.close();
  });

  test('has after a restart what was not acknowledged, and goes on with the next number', async () => {
    const before = await open();
    const events = someEvents(5);
    await before.tell(events);
    before.acknowledge(2);
    await before.close();
    const after = await open();
    expect(ids(after)).toEqual(idsOf(events.slice(2)));
    await after.tell([someEvent()]);
    expect(after.last).toBe(6);
    await after.close();
  });

  test.each(['happened', 'did-not-happen', 'unknown', 'throws'] as const)(
    'asks the store what became of an intent that a crash left: %s',
    async (answer) => {
      const before = await open();
      const [event, later] = [someEvent(), someEvent()];
      await before.intend(intended([event]));
      await before.tell([later]);
      const after = await open({
        settle: () => (answer === 'throws' ? Promise.reject(new Error('away')) : Promise.resolve({ outcome: answer })),
      });
      const expected = { happened: [event], 'did-not-happen': [], unknown: [{ ...event, outcome: 'unknown' }] };
      const told = answer === 'throws' ? expected.unknown : expected[answer];
      expect(after.after(0, 10).map((delivered) => delivered.event)).toEqual([later, ...told]);
      const third = await open();
      expect(third.after(0, 10)).toEqual(after.after(0, 10));
      for (const trail of [before, after, third]) await trail.close();
    },
  );

  test('tells the event as it is known in the end, also after a restart; what was kept to settle it is not told', async () => {
    const before = await open();
    const [event, other] = [someEvent(), someEvent()];
    const [intent] = await before.intend([
      { event, trace: { nonce: 'a1' } },
      { event: other, trace: { nonce: 'b2' } },
    ]);
    const final = { ...event, correlation: 'c' };
    await intent?.happened(final);
    expect(before.after(0, 10)).toEqual([{ sequence: 1, event: final }]);
    await before.close();
    const asked: unknown[] = [];
    const settled = { ...other, correlation: 'd' };
    const after = await open({
      settle: (left) => {
        asked.push(left);
        return Promise.resolve({ outcome: 'happened', final: settled });
      },
    });
    expect(asked).toEqual([{ event: other, trace: { nonce: 'b2' } }]);
    const delivered = [
      { sequence: 1, event: final },
      { sequence: 2, event: settled },
    ];
    expect(after.after(0, 10)).toEqual(delivered);
    await after.close();
    const third = await open();
    expect(third.after(0, 10)).toEqual(delivered);
    await third.close();
  });

  test('lets in what is urgent, and those who wait in the order in which they came', async () => {
    const trail = await open();
    await trail.tell(someEvents(UNACKNOWLEDGED_MAX));
    expect(trail.hasRoom).toBe(false);
    const [first, second] = [someEvents(60), [someEvent()]];
    const waiting = [trail.tell(first), trail.tell(second)];
    const urgent = someEvent();
    await trail.tell([urgent], { urgent: true });
    let free = false;
    const room = trail.untilRoom(new AbortController().signal).then(() => {
      free = true;
    });
    trail.acknowledge(UNACKNOWLEDGED_MAX);
    await Promise.all(waiting);
    await room;
    expect({ free, hasRoom: trail.hasRoom }).toEqual({ free: true, hasRoom: true });
    expect(ids(trail)).toEqual([urgent.id, ...idsOf([...first, ...second])]);
    await trail.close();
  });

  test('lets nobody in while 100 are unacknowledged, intents counted, and one batch as soon as there is room for one', async () => {
    const trail = await open();
    await trail.tell(someEvents(60));
    const intents = await trail.intend(intended(someEvents(UNACKNOWLEDGED_MAX - 60)));
    const waiting = trail.tell(someEvents(50));
    const alsoWaiting = trail.intend(intended([someEvent()]));
    expect([await isPending(waiting), await isPending(alsoWaiting)]).toEqual([true, true]);
    await intents[0]?.didNotHappen();
    await waiting;
    expect(trail.outstanding).toBe(149);
    expect(await isPending(alsoWaiting)).toBe(true);
    trail.acknowledge(60);
    await alsoWaiting;
    await trail.close();
  });

  test('who waits can leave, and is refused at the end', async () => {
    const trail = await open();
    await trail.tell(someEvents(UNACKNOWLEDGED_MAX));
    const leave = new AbortController();
    const left = trail.tell([someEvent()], { signal: leave.signal });
    leave.abort(new Error('enough'));
    await expect(left).rejects.toThrow('enough');
    const refused = trail.tell([someEvent()]);
    const assertion = expect(refused).rejects.toThrow('closed');
    await trail.close();
    await assertion;
  });

  test('keeps on disk only what the recorded mark does not cover, and the numbers also when all else is gone', async () => {
    const trail = await open({ segmentBytesMax: 1_000 });
    for (let i = 0; i < 10; i++) await trail.tell(someEvents(5));
    expect((await segments()).length).toBeGreaterThan(3);
    trail.acknowledge(50);
    await trail.close();
    expect(await segments()).toHaveLength(1);
    const next = await open();
    await next.tell([someEvent()]);
    expect(next.after(50, 10).map(({ sequence }) => sequence)).toEqual([51]);
    await next.close();
  });

  test('keeps the segment of an intent that is still open', async () => {
    const trail = await open({ segmentBytesMax: 500 });
    const event = someEvent();
    await trail.intend(intended([event]));
    for (let i = 0; i < 5; i++) await trail.tell(someEvents(3));
    trail.acknowledge(15);
    await trail.close();
    const next = await open();
    expect(next.after(15, 10)).toEqual([{ sequence: 16, event: { ...event, outcome: 'unknown' } }]);
    await next.close();
  });

  test('trims nothing while the mark cannot be recorded, so that nothing is missing afterwards', async () => {
    const away = { read: () => marks.read('p'), raise: () => Promise.reject(new Error('the store is away')) };
    const trail = await open({ segmentBytesMax: 500, marks: away });
    const events = someEvents(20);
    for (const event of events) await trail.tell([event]);
    trail.acknowledge(20);
    await trail.close();
    expect(problems.join()).toContain('not recorded');
    const next = await open();
    expect(ids(next)).toEqual(idsOf(events));
    await next.close();
  });

  test('never gives a number again that was acknowledged, even if the disk lost it', async () => {
    const trail = await open();
    await trail.tell(someEvents(7));
    trail.acknowledge(7);
    await trail.close();
    await rm(join(directory, 'wal'), { recursive: true });
    const next = await open();
    await next.tell([someEvent()]);
    expect(next.last).toBe(8);
    expect(problems.join()).toContain('7 was acknowledged');
    await next.close();
  });

  test('cuts off a torn end and says so', async () => {
    const trail = await open();
    const events = someEvents(3);
    await trail.tell(events);
    await trail.close();
    await appendFile(join(directory, 'wal', (await segments()).at(-1) as string), 'deadbeef {"t":"ev');
    const next = await open();
    expect(ids(next)).toEqual(idsOf(events));
    expect(problems).toEqual([expect.stringContaining('17 bytes')]);
    const event = someEvent();
    await next.tell([event]);
    await next.close();
    const third = await open();
    expect(ids(third)).toEqual([...idsOf(events), event.id]);
    expect(problems).toHaveLength(1);
    await third.close();
  });

  test("refuses a log that is damaged before its end, or another node's", async () => {
    const trail = await open({ segmentBytesMax: 200 });
    for (const event of someEvents(4)) await trail.tell([event]);
    await trail.close();
    await expect(open({ node: 'another' })).rejects.toThrow('the audit log of p on n');
    const first = join(directory, 'wal', (await segments())[0] as string);
    const bytes = await readFile(first);
    bytes[40] = (bytes[40] as number) ^ 1;
    await writeFile(first, bytes);
    await expect(open()).rejects.toThrow(/is damaged at byte \d+ of \d+/);
  });

  test('writes what comes together in one group', async () => {
    // A segment is left behind with the group that fills it: there are as many as groups.
    const trail = await open({ segmentBytesMax: 1 });
    await trail.tell([someEvent()]);
    await trail.tell(someEvents(1_000));
    expect(await segments()).toHaveLength(2);
    await trail.close();
  });

  test('after a crash at any moment: what was promised is there, numbers stand for the same events, none is missing', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom('tell', 'happened', 'didNotHappen', 'open', 'acknowledge'),
            fc.integer({ min: 1, max: 4 }),
          ),
          {
            minLength: 1,
            maxLength: 12,
          },
        ),
        fc.nat(4),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (steps, inFlight, tornAt) => {
          await rm(join(directory, 'wal'), { recursive: true, force: true });
          marks = new MemoryHighWaterMarks();
          const trail = await open({ segmentBytesMax: 700 });
          const promised: string[] = [];
          const [refused, gone] = [new Set<string>(), new Set<string>()];
          for (const [step, count] of steps) {
            const events = someEvents(count);
            if (step === 'tell') await trail.tell(events).then(() => promised.push(...idsOf(events)));
            else if (step === 'acknowledge') {
              for (const { event } of trail.after(trail.acknowledged, count)) gone.add(event.id);
              trail.acknowledge(Math.min(trail.last, trail.acknowledged + count));
            } else {
              const intents = await trail.intend(intended(events));
              promised.push(...(step === 'didNotHappen' ? [] : idsOf(events)));
              if (step !== 'open') await Promise.all(intents.map((intent) => intent[step as 'happened']()));
              if (step === 'didNotHappen') for (const id of idsOf(events)) refused.add(id);
            }
          }
          const seen = new Map(trail.after(0, 10_000).map(({ sequence, event }) => [sequence, event.id]));
          const acknowledged = trail.acknowledged;
          await marks.raise('p', acknowledged);
          // The host dies: the disk has what was promised, and any part of what was being written.
          const last = join(directory, 'wal', (await segments()).at(-1) ?? '');
          const durableBytes = (await segments()).length === 0 ? 0 : (await readFile(last)).length;
          const flying = trail.tell(someEvents(inFlight)).catch(() => undefined);
          await flying;
          const crashed = join(directory, 'crashed');
          await rm(crashed, { recursive: true, force: true });
          await cp(join(directory, 'wal'), crashed, { recursive: true });
          if (durableBytes > 0) {
            const copy = join(crashed, last.slice(last.lastIndexOf('/') + 1));
            const length = (await readFile(copy)).length;
            const isStillLast = (await readdir(crashed)).sort().at(-1) === copy.slice(copy.lastIndexOf('/') + 1);
            if (isStillLast) await truncate(copy, durableBytes + Math.floor((length - durableBytes) * tornAt));
          }
          await trail.close();
          const after = await open({ directory: crashed, segmentBytesMax: 700 });
          const delivered = after.after(acknowledged, 10_000);
          const sequences = delivered.map(({ sequence }) => sequence);
          expect(sequences).toEqual(sequences.map((_, i) => acknowledged + 1 + i));
          for (const { sequence, event } of delivered) {
            if (seen.has(sequence)) expect(event.id).toBe(seen.get(sequence));
            expect(refused.has(event.id)).toBe(false);
          }
          const deliveredIds = new Set<string>(delivered.map(({ event }) => event.id));
          expect(promised.filter((id) => !gone.has(id) && !deliveredIds.has(id))).toEqual([]);
          await after.close();
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);
});

describe('the format of the log', () => {
  test('any cut leaves exactly the records before it, any flipped bit ends the reading there', () => {
    const records: WalRecord[] = [
      { t: 'open', node: 'n', plugin: 'p', sequence: 1, intent: 1 },
      { t: 'intent', intent: 1, event: someEvent() },
      { t: 'settled', intent: 1, outcome: 'happened', sequence: 1 },
    ];
    const encoded = records.map(encodeRecord);
    const bytes = Buffer.concat(encoded);
    const ends = encoded.map((_, i) => encoded.slice(0, i + 1).reduce((sum, b) => sum + b.length, 0));
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.nat(7), (at, bit) => {
        expect(decodeRecords(bytes.subarray(0, at)).records).toEqual(records.filter((_, i) => (ends[i] ?? 0) <= at));
        if (at === bytes.length) return;
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        expect(decodeRecords(flipped).records).toEqual(records.filter((_, i) => (ends[i] ?? 0) <= at));
      }),
    );
  });
});

describe('the best-effort queue', () => {
  test('drops the oldest when it is full, counts them, and the gap shows in the sequence', () => {
    const queue = new BestEffortQueue(3);
    for (const event of someEvents(5)) queue.push(event);
    expect(queue.after(0, 10).map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    expect({ dropped: queue.dropped, backlog: queue.backlog }).toEqual({ dropped: 2, backlog: 3 });
    queue.acknowledge(4);
    expect(queue.after(4, 10).map(({ sequence }) => sequence)).toEqual([5]);
  });
});

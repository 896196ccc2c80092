import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogEvent } from './api-views.ts';
import { dataLine, splitDataLine } from './log-line.ts';

const head = fc.record(
  {
    offset: fc.maxSafeNat(),
    stream: fc.constantFrom('stdout' as const, 'stderr' as const, 'system' as const),
    at: fc.maxSafeNat(),
  },
  { requiredKeys: ['offset', 'stream'] },
);
const output = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));

test('a data line is the JSON of its event', () => {
  fc.assert(
    fc.property(head, output, (of, bytes) => {
      const event: LogEvent = { type: 'data', ...of, data: bytes.toString('base64') };
      expect(JSON.parse(dataLine(of, bytes).toString('utf8'))).toEqual(event);
      expect(dataLine(of, bytes).toString('latin1')).toBe(
        `${JSON.stringify({ type: 'data', offset: of.offset, stream: of.stream, at: of.at, data: event.data })}\n`,
      );
    }),
  );
});

test('what is split out of a data line is what was put in', () => {
  fc.assert(
    fc.property(head, output, (of, bytes) => {
      const line = dataLine(of, bytes).subarray(0, -1);
      const { from, to, bytes: count, ...found } = splitDataLine(line) ?? { from: 0, to: 0, bytes: -1 };
      expect(found).toEqual(of);
      expect(count).toBe(bytes.length);
      expect(Buffer.from(line.toString('latin1', from, to), 'base64')).toEqual(bytes);
    }),
  );
});

test('a line that was cut anywhere is not taken for a whole one', () => {
  const line = dataLine({ offset: 7, stream: 'stdout', at: 9 }, Buffer.from('some output'));
  for (let length = 0; length < line.length - 1; length++)
    expect(splitDataLine(line.subarray(0, length))).toBeUndefined();
});

test.each([
  ['an event of another type', '{"type":"end","complete":true,"state":"succeeded"}'],
  ['fields in another order', '{"offset":0,"type":"data","stream":"stdout","data":"YQ=="}'],
  ['a field behind the output', '{"type":"data","offset":0,"stream":"stdout","data":"YQ==","more":"x"}'],
  ['base64 that is escaped', '{"type":"data","offset":0,"stream":"stdout","data":"\\/w=="}'],
  ['base64 of a length there is not', '{"type":"data","offset":0,"stream":"stdout","data":"YQ="}'],
  ['nothing', ''],
])('%s is left to JSON', (_, line) => {
  expect(splitDataLine(Buffer.from(line))).toBeUndefined();
});

import { BoiError } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readJsonText } from './json-body.ts';

function refusal(text: string | Uint8Array): string | undefined {
  try {
    readJsonText(typeof text === 'string' ? Buffer.from(text) : text);
  } catch (error) {
    expect(error).toBeInstanceOf(BoiError);
    expect(error).toMatchObject({ code: 'bad-request' });
    return (error as BoiError).message;
  }
  return undefined;
}

describe('the text of a body', () => {
  test.each([
    ['{"apply":false,"apply":true}', '/body/apply: is given twice; keep one'],
    ['{"a":1,"\\u0061":2}', '/body/a: is given twice; keep one'],
    ['{"set":{"x":1,"y":{"x":2},"x":3}}', '/body/set/x: is given twice; keep one'],
    ['{"list":[1,{"b":1},{"b":1,"b":2}]}', '/body/list/2/b: is given twice; keep one'],
    ['{"a/b~c":1,"a/b~c":1}', '/body/a~1b~0c: is given twice; keep one'],
    ['{"":1,"":1}', '/body/: is given twice; keep one'],
    ['{"a":"\\\\","a":1}', '/body/a: is given twice; keep one'],
  ])('%s is refused with the field', (text, message) => {
    expect(refusal(text)).toBe(message);
  });

  test.each(['{"a":{"a":"a"},"b":["a","a"]}', '{"a":"\\",\\"a\\":1"}', '[{"a":1},{"a":1}]', '"a"', '0', 'null'])(
    '%s has no field twice',
    (text) => {
      expect(refusal(text)).toBeUndefined();
    },
  );

  test('whatever JSON.stringify writes is taken as it is; with its first field once more it is not', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.boolean(), (value, spread) => {
        const text = JSON.stringify(value, null, spread ? 1 : 0);
        expect(readJsonText(Buffer.from(text))).toBe(text);
        if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
        const [first] = Object.keys(value);
        if (first === undefined) return;
        expect(refusal(`${text.slice(0, -1)},${JSON.stringify(first)}:0}`)).toContain('is given twice');
      }),
    );
  });

  test('bytes that are no UTF-8 are refused, and not made to be other characters', () => {
    expect(refusal(Buffer.from('7b226e616d65223a22ff227d', 'hex'))).toBe('The body is not UTF-8.');
  });

  test('deep nesting ends neither the process nor the request', () => {
    expect(refusal('['.repeat(700_000) + ']'.repeat(700_000))).toBeUndefined();
  });
});

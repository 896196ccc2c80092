import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PEM_BYTES_MAX, readOnePem, readPem, writePem } from './pem.ts';
import { codeOf } from './testing/rig.ts';

const bytes = fc.uint8Array({ minLength: 1, maxLength: 300 });

describe('PEM', () => {
  test('is read as it is written, one block or several', () => {
    fc.assert(
      fc.property(fc.array(bytes, { minLength: 1, maxLength: 3 }), (blocks) => {
        const text = blocks.map((block) => writePem('CERTIFICATE', block)).join('');
        expect(readPem(text, 'CERTIFICATE', 'it')).toEqual(blocks.map((block) => Uint8Array.from(block)));
        expect(readPem(text.replaceAll('\n', '\r\n'), 'CERTIFICATE', 'it')).toHaveLength(blocks.length);
      }),
      { numRuns: 200 },
    );
  });

  const good = writePem('CERTIFICATE', new Uint8Array([1, 2, 3, 4]));
  test.each([
    ['text before', `x\n${good}`],
    ['text after', `${good}x`],
    ['text between', `${good}\n\n${good}`],
    ['another label', good.replaceAll('CERTIFICATE', 'PRIVATE KEY')],
    ['two labels', good.replace('END CERTIFICATE', 'END PRIVATE KEY')],
    ['base64 with stray bits', good.replace('AQIDBA==', 'AQIDBB==')],
    ['base64 without padding', good.replace('AQIDBA==', 'AQIDBA')],
    ['base64url', good.replace('AQIDBA==', 'AQID_A==')],
    ['no content', good.replace('AQIDBA==', '')],
    ['nothing', ''],
    ['headers', good.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n\n')],
    ['too much', good.repeat(1 + PEM_BYTES_MAX / good.length)],
  ])('with %s is refused', async (_what, text) => {
    expect(await codeOf(() => readPem(text, 'CERTIFICATE', 'it'))).toBe('bad-request');
  });

  test('where one block is asked for, two are refused', async () => {
    expect(await codeOf(() => readOnePem(good + good, 'CERTIFICATE', 'it'))).toBe('bad-request');
  });

  test('any text is read or refused, and the refusal does not quote it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 8, maxLength: 400 }), (text) => {
        try {
          readPem(text, 'PRIVATE KEY', 'the key');
        } catch (error) {
          expect(error).toMatchObject({ code: 'bad-request' });
          expect((error as Error).message).not.toContain(text);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a long text that almost is one is refused in no time', async () => {
    const text = `-----BEGIN CERTIFICATE-----\n${'A\n'.repeat(8_000)}-----END CERTIFICAT-----`;
    expect(await codeOf(() => readPem(text, 'CERTIFICATE', 'it'))).toBe('bad-request');
  });
});

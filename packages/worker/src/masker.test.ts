import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Masker } from './masker.ts';

function masked(secrets: readonly string[], chunks: readonly Buffer[]): string {
  const masker = new Masker(secrets);
  return Buffer.concat([...chunks.map((chunk) => masker.push(chunk)), masker.flush()]).toString('latin1');
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 40 });
const secret = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 });

test('where a stream is cut into chunks changes nothing', () => {
  fc.assert(
    fc.property(letters, fc.array(secret, { maxLength: 3 }), fc.array(fc.nat(40)), (text, secrets, cuts) => {
      const bytes = Buffer.from(text);
      const borders = [0, ...cuts.map((c) => Math.min(c, bytes.length)).sort((a, b) => a - b), bytes.length];
      const chunks = borders.slice(1).map((end, i) => bytes.subarray(borders[i] as number, end));
      expect(masked(secrets, chunks)).toBe(masked(secrets, [bytes]));
    }),
  );
});

test('no secret is left in what is shown, and a text without one is unchanged', () => {
  fc.assert(
    fc.property(letters, fc.array(secret, { minLength: 1, maxLength: 3 }), (text, secrets) => {
      const shown = masked(secrets, [Buffer.from(text)]);
      for (const part of shown.split('***')) for (const s of secrets) expect(part).not.toContain(s);
      if (!secrets.some((s) => text.includes(s))) expect(shown).toBe(text);
    }),
  );
});

test('of two secrets that begin alike the longer one is masked whole, also across chunks', () => {
  expect(masked(['pass', 'password'], [Buffer.from('my pass'), Buffer.from('word!')])).toBe('my ***!');
  expect(masked(['pass', 'password'], [Buffer.from('my pass'), Buffer.from('port')])).toBe('my ***port');
});

test('what cannot become a secret is not held back', () => {
  const masker = new Masker(['secret']);
  expect(masker.push(Buffer.from('prompt> ')).toString()).toBe('prompt> ');
  expect(masker.push(Buffer.from('se')).toString()).toBe('');
  expect(masker.push(Buffer.from('t up')).toString()).toBe('set up');
});

test('lines of a secret of several lines are masked one by one, short ones excepted', () => {
  const key = '-----BEGIN KEY-----\nabcdefghijkl\n==\n-----END KEY-----';
  expect(new Masker([key]).text('x  abcdefghijkl == y')).toBe('x  *** == y');
});

test('bytes that are no text pass unchanged', () => {
  const bytes = Buffer.from([0, 255, 128, 10, 13, 27]);
  expect(masked(['secret'], [bytes])).toBe(bytes.toString('latin1'));
});

/**
 * What a person or another program hands to the command, arbitrary: configuration, bundles, words. The answer is a value or a
 * `BoiError` that says what is wrong and where; never a crash, and never a secret of the file in the message.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { BoiError } from '@boi/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configPath, readConfig } from './config-file.ts';
import { parseBundle } from './credential-file.ts';
import { findCommand, parseArgs } from './parse.ts';
import { resolveSettings } from './settings.ts';
import { TABLE } from './table/index.ts';
import { Home } from './testing/harness.ts';

const RUNS = Number(process.env.BOI_FUZZ_RUNS ?? 300);
const SECRET = 'boi_usr_01kapz0vge5n3m8q2r7t4wabcd_THIS-IS-SECRET';

let home: Home;
beforeAll(async () => {
  home = await Home.make();
});
afterAll(() => home.remove());

function refusal(error: unknown): BoiError {
  expect(error).toBeInstanceOf(BoiError);
  const { code, message, issues } = error as BoiError;
  expect(['config-invalid', 'bad-request', 'not-found', 'invalid-name']).toContain(code);
  expect(message + issues.map((issue) => issue.message).join()).not.toContain('THIS-IS-SECRET');
  return error as BoiError;
}

/** JSON of an object with keys of ours and values of anybody. */
const objectOf = (...keys: readonly string[]) =>
  fc
    .dictionary(
      fc.oneof(fc.constantFrom(...keys), fc.string({ maxLength: 8 }), fc.constant('__proto__')),
      fc.oneof(fc.jsonValue(), fc.constant(SECRET), fc.constant(1)),
    )
    .map((value) => JSON.stringify(value));
const textOf = (...keys: readonly string[]) =>
  fc.oneof(
    objectOf(...keys),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.string({ unit: 'binary', maxLength: 80 }),
  );

const CORPUS_CONFIG = [
  'null',
  '[]',
  '{"contexts":{"a":null}}',
  '{"contexts":[]}',
  '{"settings":null}',
  '{"contexts":{"__proto__":{}}}',
  '\uFEFF{}',
];
const CORPUS_BUNDLE = [
  'null',
  '[]',
  '{"v":1}',
  '{"v":1,"user":null}',
  '{"v":1,"user":[]}',
  '{"v":1,"ca":""}',
  '{"v":1,"ca":"-----BEGIN CERTIFICATE-----\\n-----END CERTIFICATE-----"}',
];

describe('a configuration file', () => {
  async function read(text: string): Promise<void> {
    const env = { BOI_CONFIG_DIR: home.directory };
    await mkdir(home.directory, { recursive: true });
    await writeFile(configPath(env), text);
    try {
      const config = await readConfig(env);
      for (const context of Object.values(config.contexts)) expect(Array.isArray(context.endpoints)).toBe(true);
      resolveSettings({ flags: new Map(), env: {}, file: { path: 'config.json', values: config.settings } });
    } catch (error) {
      refusal(error);
    }
  }

  it.each(CORPUS_CONFIG)('once tried by hand: %s', read);
  it('of anything at all is read, or refused', async () => {
    const nested = fc
      .tuple(objectOf('endpoints', 'project', 'credentials'), objectOf('format', 'color', 'request-timeout', 'context'))
      .map(([context, settings]) => `{"current":"a","contexts":{"a":${context}},"settings":${settings}}`);
    const files = fc.oneof(textOf('current', 'contexts', 'settings'), nested);
    await fc.assert(fc.asyncProperty(files, read), { numRuns: RUNS });
  }, 120_000);
});

describe('a bundle', () => {
  const parse = (text: string): void => {
    try {
      parseBundle('bundle.json', text);
    } catch (error) {
      refusal(error);
    }
  };

  it.each(CORPUS_BUNDLE)('once tried by hand: %s', parse);
  it('of anything at all is taken, or refused', () => {
    const files = textOf('v', 'ca', 'certificate', 'key', 'secret', 'user', 'endpoints', 'cluster');
    fc.assert(fc.property(files, parse), { numRuns: RUNS });
  }, 120_000);
});

describe('a command line', () => {
  it('of any words is understood, or refused', async () => {
    const word = fc.oneof(
      fc.constantFrom(...TABLE.flatMap(({ path, flags = [] }) => [...path, ...flags.map(({ name }) => `--${name}`)])),
      fc.constantFrom(
        '-o',
        'json',
        '--',
        '-',
        '--=',
        '-x=1',
        '--limit=',
        '--limit=1e9',
        '9999999999999999999',
        'nod_',
        SECRET,
      ),
      fc.string({ unit: 'binary', maxLength: 12 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (words) => {
        try {
          const found = findCommand(TABLE, words);
          if ('command' in found) await parseArgs(found.command, found.rest);
        } catch (error) {
          expect(error).toBeInstanceOf(BoiError);
          expect((error as BoiError).exitCode).toBe(2);
        }
      }),
      { numRuns: RUNS },
    );
  }, 120_000);
});

/** Settings of the daemon with arbitrary values from flags, environment and file: a configuration within its bounds, or all that is wrong. */
import { BoiError } from '@boi/core';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAEMON_SETTINGS, envName, resolveDaemonConfig, SETTING_NAMES, type Setting } from './config.ts';

const RUNS = Number(process.env.BOI_FUZZ_RUNS ?? 300);

const name = fc.constantFrom(...SETTING_NAMES);
const value = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.jsonValue(),
  fc.constantFrom(
    '1e9',
    '0x10',
    '-1',
    '1h30m',
    '99999d',
    '10GiB',
    'true',
    '::1:7440',
    '[::1]:7440',
    '127.0.0.1:99999',
    'a=b,c',
    '=',
    '\u0000',
  ),
);
const fields = fc.dictionary(fc.oneof(name, fc.string({ maxLength: 6 }), fc.constant('__proto__')), value, {
  maxKeys: 5,
});
const flags = fc.dictionary(name, value, { maxKeys: 3 });
const env = fc.dictionary(name.map(envName), fc.string({ maxLength: 20 }), { maxKeys: 3 });

test('is a configuration within its bounds, or says all that is wrong', () => {
  fc.assert(
    fc.property(fields, flags, env, (values, given, environment) => {
      try {
        const { config } = resolveDaemonConfig({ file: { path: 'node.yaml', values }, flags: given, env: environment });
        for (const setting of SETTING_NAMES) {
          const { min, max, choices }: Setting = DAEMON_SETTINGS[setting];
          const found: unknown = config[setting];
          if (typeof found === 'number') {
            expect(found, setting).toBeGreaterThanOrEqual(min ?? 0);
            expect(found, setting).toBeLessThanOrEqual(max ?? Number.MAX_SAFE_INTEGER);
          }
          if (choices !== undefined) expect(choices, setting).toContain(found);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(BoiError);
        expect((error as BoiError).code).toBe('config-invalid');
        expect((error as BoiError).issues.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: RUNS },
  );
}, 120_000);

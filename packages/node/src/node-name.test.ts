/** Which names a node may have: what the daemon answers before it touches anything. */
import { BoiError } from '@boi/core';
import { expect, test } from 'vitest';
import { resolveDaemonConfig } from './config.ts';
import { checkSettings } from './daemon.ts';

function refusalOf(name: string): string | undefined {
  const { config } = resolveDaemonConfig({ flags: { name, insecure: 'true' } });
  try {
    checkSettings(config);
    return undefined;
  } catch (error) {
    if (!(error instanceof BoiError)) throw error;
    return error.code;
  }
}

test.each(['a', 'Eric (laptop)', 'x'.repeat(128), '😀'.repeat(128), '\u00E9', 'a\u200Bb', 'Admin', 'admins'])(
  'a node may be called %j',
  (name) => {
    expect(refusalOf(name)).toBeUndefined();
  },
);

test.each([
  ' ',
  ' a',
  'a ',
  '\uFEFFa',
  'a\tb',
  'a\u007Fb',
  'a\u0085b',
  'x'.repeat(129),
  '😀'.repeat(129),
  'e\u0301',
  '\uE000',
  '\u0378',
  'a\uD800',
])('%j is ill-formed', (name) => {
  expect(refusalOf(name)).toBe('invalid-name');
});

test.each(['admin', 'system', 'internal'])('%j is reserved', (name) => {
  expect(refusalOf(name)).toBe('reserved-identifier');
});

import { BoiError } from '@boi/core';
import { describe, expect, test } from 'vitest';
import { type ConfigInput, DAEMON_SETTINGS, envName, resolveDaemonConfig, SETTING_NAMES } from './config.ts';

function issuesOf(input: ConfigInput): string[] {
  try {
    resolveDaemonConfig(input);
  } catch (error) {
    expect(error).toBeInstanceOf(BoiError);
    expect((error as BoiError).code).toBe('config-invalid');
    return (error as BoiError).issues.map((i) => `${i.path} ${i.message}`);
  }
  return [];
}

test.each(['toString', 'constructor', 'hasOwnProperty'])('%s in a file is no setting', (key) => {
  expect(issuesOf({ file: { path: 'boi.yaml', values: { [key]: 1 } } })).toEqual([
    expect.stringContaining(`there is no setting \`${key}\``),
  ]);
});

describe('precedence', () => {
  const file = { path: '/etc/boi.yaml', values: { slots: 2, name: 'from-file', 'session-ttl': '20s' } };
  const env = { BOI_SLOTS: '3', BOI_NAME: 'from-env' };

  test('a flag wins over the environment, that over the file, that over the default, and each tells where it came from', () => {
    const { config, provenance } = resolveDaemonConfig({ flags: { slots: '4' }, env, file });
    expect(config).toMatchObject({ slots: 4, name: 'from-env', 'session-ttl': 20_000, 'log-level': 'info' });
    const from = Object.fromEntries(provenance.map((p) => [p.name, [p.source, p.from]]));
    expect(from).toMatchObject({
      slots: ['flag', '--slots'],
      name: ['environment', 'BOI_NAME'],
      'session-ttl': ['file', '/etc/boi.yaml'],
      'log-level': ['default', undefined],
    });
  });

  test('a setting without default and value is absent', () => {
    expect(resolveDaemonConfig({}).config).not.toHaveProperty('secrets-file');
  });
});

test('every default and every example is accepted as a value of its setting', () => {
  for (const name of SETTING_NAMES) {
    expect(issuesOf({ flags: { [name]: DAEMON_SETTINGS[name].example } })).toEqual([]);
  }
  expect(issuesOf({})).toEqual([]);
});

test('all that is wrong is said at once, with the place it came from and an example', () => {
  const issues = issuesOf({
    flags: { slots: 'many', 'session-ttl': '1s' },
    env: { BOI_LOG_BYTES: '10 parsecs', BOI_LISTEN: '127.0.0.1:99999' },
    file: { path: 'boi.yaml', values: { slotz: 4, 'log-level': 'loud', label: { 'bad key!': 'x' } } },
  });
  expect(issues).toEqual([
    '/slotz boi.yaml: there is no setting `slotz`; did you mean "slots"?',
    expect.stringMatching(/^\/listen BOI_LISTEN: must be ADDRESS:PORT/),
    expect.stringMatching(/^\/label boi.yaml: `label`: `bad key!` cannot be a label/),
    expect.stringMatching(/^\/slots --slots: must be a whole number/),
    expect.stringMatching(/^\/session-ttl --session-ttl: must lie between 3000 and 120000 ms/),
    expect.stringMatching(/^\/log-bytes BOI_LOG_BYTES: must be a size/),
    expect.stringMatching(/^\/log-level boi.yaml: `log-level`: must be one of debug, info, warn, error/),
  ]);
});

test.each([
  ['30s', 30_000],
  ['1m30s', 90_000],
  ['3500ms', 3500],
  ['0.1m', 6000],
])('a session time to live of %s is %d ms', (text, ms) => {
  expect(resolveDaemonConfig({ flags: { 'session-ttl': text } }).config['session-ttl']).toBe(ms);
});

test.each([
  ['7440', { host: '127.0.0.1', port: 7440 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['localhost:80', { host: 'localhost', port: 80 }],
])('%s is an address to listen on', (text, address) => {
  expect(resolveDaemonConfig({ flags: { listen: text } }).config.listen).toEqual(address);
});

test('labels come repeated, comma-separated or as a map, and cannot reach an object prototype', () => {
  const labels = (label: unknown) => resolveDaemonConfig({ flags: { label } }).config.label;
  expect(labels(['gpu=a100,zone=east', 'disk='])).toEqual({ gpu: 'a100', zone: 'east', disk: '' });
  expect(labels({ gpu: 'a100' })).toEqual({ gpu: 'a100' });
  expect(issuesOf({ flags: { label: '__proto__=x' } })).toHaveLength(1);
  expect(issuesOf({ flags: { label: { gpu: { toString: 0 } } } })).toHaveLength(1);
  expect(issuesOf({ flags: { label: [{ toString: 0 }] } })).toHaveLength(1);
});

test('etcd endpoints come repeated, comma-separated or both', () => {
  const endpoints = (flags: object, env = {}) => resolveDaemonConfig({ flags: { ...flags }, env }).config.etcd;
  const all = ['http://a:1', 'http://b:2', 'http://c:3'];
  expect(endpoints({ etcd: all })).toEqual(all);
  expect(endpoints({ etcd: ['http://a:1,http://b:2', 'http://c:3'] })).toEqual(all);
  expect(endpoints({}, { BOI_ETCD: all.join(', ') })).toEqual(all);
});

test('names of variables follow the names of settings', () => {
  expect(envName('session-ttl')).toBe('BOI_SESSION_TTL');
});

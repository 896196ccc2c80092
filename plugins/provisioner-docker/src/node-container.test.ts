import { spawnSync } from 'node:child_process';
import type { provisioner } from '@boi/plugin-sdk';
import { describe, expect, test } from 'vitest';
import { nodeContainer, nodeName, tokenArchive } from './node-container.ts';
import { readSettings } from './settings.ts';

const request = (change: Partial<provisioner.ProvisionRequest__Output> = {}): provisioner.ProvisionRequest__Output => ({
  requestId: 'prq_01jd3h8q6k',
  requirements: [],
  slots: 1,
  tasks: 1,
  joinToken: 'very-secret',
  bootstrapAddresses: ['https://a:7440', 'https://b:7440'],
  deadlineMs: '1',
  labels: { 'boi.request': 'prq_01jd3h8q6k' },
  ...change,
});
const made = (change: Partial<provisioner.ProvisionRequest__Output>, ...args: string[]) =>
  nodeContainer(request(change), readSettings(['--image', 'boi-node', ...args]));

describe('the container of a request', () => {
  test('is a node of the image by its environment alone', () => {
    const options = made({}, '--offers', 'gpu=a100', '--network', 'lab', '--label', 'team=x');
    expect(options).toMatchObject({
      name: 'boi-node-01jd3h8q6k',
      Hostname: 'boi-node-01jd3h8q6k',
      Image: 'boi-node',
      Env: [
        'BOI_NAME=boi-node-01jd3h8q6k',
        'BOI_LABEL=gpu=a100,boi.request=prq_01jd3h8q6k',
        'BOI_LISTEN=0.0.0.0:7440',
        'BOI_ADVERTISE=https://boi-node-01jd3h8q6k:7440',
        'BOI_TOKEN_FILE=/boi-join-token',
      ],
      Labels: { team: 'x', 'boi.provisioner.request': 'prq_01jd3h8q6k' },
      HostConfig: { NetworkMode: 'lab' },
    });
    expect(options.Cmd).toBeUndefined();
  });

  test('has the arguments and variables of the operator, filled in', () => {
    const options = made(
      {},
      ...['--env', 'BOI_SLOTS=2', '--env', 'BOI_NAME=made-{request_id}', '--memory', '1GiB', '--mount', '/a:/b:ro'],
      ...['--', 'join', '--at={bootstrap}', '{token_file}', '{name}', '{labels}', '{unknown}'],
    );
    expect(options.Cmd).toEqual([
      'join',
      '--at=https://a:7440,https://b:7440',
      '/boi-join-token',
      'boi-node-01jd3h8q6k',
      'boi.request=prq_01jd3h8q6k',
      '{unknown}',
    ]);
    expect(options.Env).toEqual(expect.arrayContaining(['BOI_SLOTS=2', 'BOI_NAME=made-prq_01jd3h8q6k']));
    expect(options.HostConfig).toMatchObject({ Memory: 2 ** 30, Mounts: [{ Source: '/a', ReadOnly: true }] });
  });

  test('does not have the token, whatever is filled in', () => {
    const options = made({}, '--env', 'T={token} {join_token}', '--', '{token}', '{token_file}');
    expect(JSON.stringify(options)).not.toContain('very-secret');
    expect(made({ joinToken: '' }).Env?.join()).not.toContain('TOKEN');
  });

  test('is named so that the name is a host name', () => {
    expect(nodeName('prq_01JD')).toBe('boi-node-01jd');
    for (const wrong of ['', '../../escape', 'prq_', 'a b', 'x'.repeat(51)])
      expect(() => nodeName(wrong)).toThrow('request_id is ill-formed');
  });
});

describe('the token', () => {
  test.each([1, 511, 512, 513, 2_000])('of %i bytes is a file in the archive, as tar reads it', (bytes) => {
    const token = 't'.repeat(bytes);
    const tar = (...args: string[]) => spawnSync('tar', args, { input: tokenArchive(token), encoding: 'utf8' });
    expect(tar('-xO')).toMatchObject({ status: 0, stdout: token, stderr: '' });
    expect(tar('-tv').stdout).toMatch(/^-r--r--r-- 0\/0 +\d+ .* boi-join-token\n$/);
  });
});

describe('flags', () => {
  test.each([
    [[], '--image: must name the image'],
    [['--image', 'x', '--max', '0'], '--max 0: must be a whole number from 1 to 10000'],
    [['--image', 'x', '--stop-seconds', '101'], '--stop-seconds 101: must be a whole number from 0 to 100'],
    [['--image', 'x', '--offers', 'gpu'], '--offers: "gpu" is not key=value'],
    [['--image', 'x', '--env', 'A'], '--env A: must be NAME=VALUE'],
    [['--image', 'x', '--cpus', 'all'], '--cpus all: must be a number of CPUs'],
    [['--image', 'x', '--socket', 'a'], '--socket a: must be an absolute path'],
    [['--image', 'x', '--colour', 'red'], "Unknown option '--colour'"],
  ])('%j are refused', (args, message) => {
    expect(() => readSettings(args)).toThrow(message);
  });
});

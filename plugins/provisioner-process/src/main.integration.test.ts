import { spawn } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import type { provisioner } from '@boi/plugin-sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NodeProcesses } from './node-processes.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-provisioner-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const request = (requestId: string): provisioner.ProvisionRequest__Output => ({
  requestId,
  requirements: [],
  slots: 1,
  tasks: 1,
  joinToken: 'very-secret',
  bootstrapAddresses: ['https://a', 'https://b'],
  deadlineMs: String(Date.now() + 60_000),
  labels: { zone: 'x' },
});

const sleeping = (offers?: Record<string, string>) =>
  new NodeProcesses({
    root: directory,
    command: ['sleep', '1000'],
    max: 1,
    ...(offers === undefined ? {} : { offers }),
  });

describe('provisioner-process', () => {
  test('conforms, and leaves nothing', async () => {
    const program = await bundleProgram(join(import.meta.dirname, 'main.ts'));
    const state = join(directory, 'state');
    const args = [program, '--state', state, '--max', '8', '--', 'sleep', '1000'];
    const results = await runConformance({ plugin: { kind: 'provisioner', command: process.execPath, args } });
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(await readdir(state)).toEqual([]);
  });

  test('hands the token over in a file only this user can read, not in the arguments', async () => {
    const out = join(directory, 'out');
    const script = `echo "$1 $2 $3 $(cat $1)" > ${out}.new; mv ${out}.new ${out}; exec sleep 1000`;
    const command = ['sh', '-c', script, 'sh', '{token_file}', '{bootstrap}', '{labels}'];
    const nodes = new NodeProcesses({ root: directory, command, max: 1, offers: { gpu: 'a100' } });
    await nodes.provision(request('prq_1'));
    await expect.poll(() => existsSync(out), { timeout: 10_000 }).toBe(true);
    const [tokenFile = '', ...rest] = readFileSync(out, 'utf8').trim().split(' ');
    expect(rest).toEqual(['https://a,https://b', 'gpu=a100,zone=x', 'very-secret']);
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
    await nodes.deprovision('prq_1');
  });

  test('has no more than it may', async () => {
    const nodes = sleeping();
    await nodes.provision(request('prq_1'));
    await expect(nodes.provision(request('prq_2'))).rejects.toMatchObject({ kind: 'resource-exhausted' });
    await nodes.deprovision('prq_1');
    await nodes.provision(request('prq_2'));
    await nodes.deprovision('prq_2');
  });

  test('does not take another program for its node when the pid was given away', async () => {
    const other = spawn('sleep', ['1000']);
    await mkdir(join(directory, 'prq_1'));
    writeFileSync(join(directory, 'prq_1', 'process.json'), JSON.stringify({ pid: other.pid, startTime: '1' }));
    const nodes = sleeping();
    expect(await nodes.list()).toMatchObject([{ state: 'PROVISION_STATE_FAILED' }]);
    await nodes.deprovision('prq_1');
    expect(other.exitCode).toBeNull();
    process.kill(other.pid as number, 0);
    other.kill();
  });

  test('killed before it noted what it had started, starts no second one, and can remove it', async () => {
    const first = await sleeping().provision(request('prq_1'));
    await rm(join(directory, 'prq_1', 'process.json'));
    const next = sleeping();
    expect(await next.list()).toMatchObject([{ state: 'PROVISION_STATE_RUNNING', handle: first.handle }]);
    await rm(join(directory, 'prq_1', 'process.json'));
    expect(await next.provision(request('prq_1'))).toEqual({ alreadyProvisioned: true, handle: first.handle });
    await rm(join(directory, 'prq_1', 'process.json'));
    expect(await sleeping().deprovision('prq_1')).toEqual({ existed: true });
    const pid = Number(first.handle?.slice('pid '.length));
    expect(() => process.kill(pid, 0)).toThrow();
  });

  test('killed before it started anything, starts it when it is asked again', async () => {
    await mkdir(join(directory, 'prq_1'));
    writeFileSync(join(directory, 'prq_1', 'starting'), '');
    const nodes = sleeping();
    expect(await nodes.list()).toMatchObject([{ state: 'PROVISION_STATE_FAILED' }]);
    expect(await nodes.provision(request('prq_1'))).toMatchObject({ alreadyProvisioned: false });
    await nodes.deprovision('prq_1');
  });

  test('refuses what its nodes do not offer, once it is told what they do', async () => {
    const nodes = sleeping({ gpu: 'a100', zone: 'east' });
    const asked = (...requirements: provisioner.Requirement__Output[]) =>
      nodes.provision({ ...request('prq_1'), requirements });
    const of = (key: string, test: object) =>
      ({ key, test: Object.keys(test)[0], ...test }) as provisioner.Requirement__Output;
    for (const wrong of [
      of('disk', { exists: true }),
      of('gpu', { exists: false }),
      of('gpu', { equals: 'h100' }),
      of('zone', { oneOf: { values: ['west', 'north'] } }),
      of('disk', { atLeast: 1 }),
    ])
      await expect(asked(wrong)).rejects.toMatchObject({ kind: 'failed-precondition' });
    const right = [of('gpu', { exists: true }), of('zone', { oneOf: { values: ['east'] } }), of('os', { equals: 'x' })];
    expect(await asked(...right)).toMatchObject({ alreadyProvisioned: false });
    await nodes.deprovision('prq_1');
  });

  test('makes no node that nobody waits for any more', async () => {
    const late = { ...request('prq_1'), deadlineMs: String(Date.now() - 1) };
    await expect(sleeping().provision(late)).rejects.toMatchObject({ kind: 'failed-precondition' });
  });

  test('says that the program does not exist', async () => {
    const nodes = new NodeProcesses({ root: directory, command: ['/no/such/program'], max: 1 });
    await expect(nodes.provision(request('prq_1'))).rejects.toMatchObject({ kind: 'failed-precondition' });
  });
});

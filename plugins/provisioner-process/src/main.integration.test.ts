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
  deadlineMs: '0',
  labels: { zone: 'x' },
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
    const nodes = new NodeProcesses(
      directory,
      ['sh', '-c', script, 'sh', '{token_file}', '{bootstrap}', '{labels}'],
      1,
    );
    await nodes.provision(request('prq_1'));
    await expect.poll(() => existsSync(out), { timeout: 10_000 }).toBe(true);
    const [tokenFile = '', ...rest] = readFileSync(out, 'utf8').trim().split(' ');
    expect(rest).toEqual(['https://a,https://b', 'zone=x', 'very-secret']);
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
    await nodes.deprovision('prq_1');
  });

  test('has no more than it may', async () => {
    const nodes = new NodeProcesses(directory, ['sleep', '1000'], 1);
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
    const nodes = new NodeProcesses(directory, ['sleep', '1000'], 1);
    expect(await nodes.list()).toMatchObject([{ state: 'PROVISION_STATE_FAILED' }]);
    await nodes.deprovision('prq_1');
    expect(other.exitCode).toBeNull();
    process.kill(other.pid as number, 0);
    other.kill();
  });

  test('says that the program does not exist', async () => {
    const nodes = new NodeProcesses(directory, ['/no/such/program'], 1);
    await expect(nodes.provision(request('prq_1'))).rejects.toMatchObject({ kind: 'failed-precondition' });
  });
});

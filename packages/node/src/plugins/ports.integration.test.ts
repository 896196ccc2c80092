/** The ports of placement and provisioning against real plugins: router-spread, and provisioner-process with a program that only sleeps. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeWanted, RouteAsk } from '@boi/cluster';
import { IdMinter, type Requirement } from '@boi/core';
import type { PluginSupervisor } from '@boi/plugin-host';
import { bundleProgram, type Lab, openLab } from '@boi/plugin-host/testing';
import { createLogger, systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PluginProvisioner } from './provisioner-port.ts';
import { PluginRouter } from './router-port.ts';
import { TokenLeaks } from './token-leaks.ts';

const plugins = join(import.meta.dirname, '../../../../plugins');
const minter = new IdMinter(systemClock, systemRandom);
const [a, b] = [minter.mint('node'), minter.mint('node')];
const never = new AbortController().signal;
let programs: Record<'router' | 'provisioner', string>;
let lab: Lab;

beforeAll(async () => {
  const [router, provisioner] = await Promise.all(
    ['router-spread', 'provisioner-process'].map((name) => bundleProgram(join(plugins, name, 'src/main.ts'))),
  );
  programs = { router: router as string, provisioner: provisioner as string };
});
beforeEach(async () => {
  lab = await openLab();
});
afterEach(() => lab.close());

async function started(
  kind: 'router' | 'provisioner',
  name: string,
  args: readonly string[],
): Promise<PluginSupervisor> {
  const supervisor = lab.supervisor({ name, kind, command: process.execPath, args: [programs[kind], ...args] });
  await supervisor.start();
  await lab.reaches(supervisor, 'ready');
  return supervisor;
}

describe('a router plugin', () => {
  const spec = minter.mint('spec');
  const task = `tsk_${spec.slice(4, -4)}0001` as RouteAsk['tasks'][number]['task'];
  const ask: RouteAsk = {
    tasks: [
      {
        task,
        prj: minter.mint('project'),
        facts: {
          requires: [
            { key: 'gpu', op: 'exists', value: true },
            { key: 'zone', op: 'in', values: ['x', 'y'] },
            { key: 'cpus', op: '>=', value: 2 },
          ],
        },
        failedOn: [a],
        eligible: [a, b],
      },
    ],
    candidates: [
      { id: a, slots: 4, busy: 0, queued: 0, capabilities: { gpu: true, cpus: 8 } },
      { id: b, slots: 4, busy: 0, queued: 0, capabilities: { gpu: 'a100' } },
    ],
  };

  test('is asked when it is ready, and answers for the candidates', async () => {
    const supervisor = await started('router', 'spread', []);
    const router = new PluginRouter([supervisor]);
    expect(router.ready).toBe(true);
    const ratings = (await router.hint(ask, never)).get(task);
    expect(ratings?.get(b)).toBeGreaterThan(ratings?.get(a) ?? Number.NaN);
    await supervisor.stop();
    expect(router.ready).toBe(false);
    expect(await router.hint(ask, never)).toEqual(new Map());
  });
});

describe('provisioner plugins', () => {
  const told: string[] = [];
  const leaks = new TokenLeaks({ suspected: (token) => told.push(token) });
  const portOf = (...supervisors: PluginSupervisor[]) =>
    new PluginProvisioner(supervisors, { log: createLogger({ name: 'test', level: 'silent' }), leaks });
  const wanted = (requires: readonly Requirement[] = []): NodeWanted => ({
    id: minter.mint('provision'),
    requires,
    slots: 1,
    tasks: 1,
    bootstrap: ['https://127.0.0.1:1'],
    deadlineAt: systemClock.now() + 60_000,
    labels: { 'boi.request': 'x' },
  });
  const state = (name: string) => join(lab.directory, name);
  const nodes = (name: string, ...flags: string[]) =>
    started('provisioner', name, ['--state', state(name), ...flags, '--', 'sleep', '1000']);
  const gpu: Requirement = { key: 'gpu', op: 'eq', value: 'a100' };

  test('make a node once for an id, and remove it; to remove what is unknown is no error', async () => {
    const port = portOf(await nodes('one'));
    const one = wanted();
    expect(await port.provision(one, never)).toBe('begun');
    expect(await port.provision(one, never)).toBe('begun');
    expect(await readdir(state('one'))).toEqual([one.id]);
    await port.deprovision(one.id, never);
    await port.deprovision(one.id, never);
    expect(await readdir(state('one'))).toEqual([]);
  });

  test('refuse what they cannot make', async () => {
    const port = portOf(await nodes('one', '--offers', 'zone=x', '--max', '1'));
    expect(await port.provision(wanted([gpu]), never)).toBe('refused');
    const one = wanted();
    expect(await port.provision(one, never)).toBe('begun');
    expect(await port.provision(wanted(), never)).toBe('refused');
    await port.deprovision(one.id, never);
  });

  test('of several the first that is willing makes it, and whoever has a request goes on with it', async () => {
    const [first, second] = await Promise.all([nodes('first', '--offers', 'zone=x'), nodes('second')]);
    const port = portOf(first, second);
    const one = wanted([gpu]);
    expect(await port.provision(one, never)).toBe('begun');
    expect(await readdir(state('second'))).toEqual([one.id]);
    const same = { ...one, requires: [] };
    expect(await port.provision(same, never)).toBe('begun');
    expect(await readdir(state('second'))).toEqual([one.id]);
    await port.deprovision(one.id, never);
    expect(await readdir(state('second'))).toEqual([]);
  });

  test('are all there or nobody is asked: one that is away may have it', async () => {
    const [first, second] = await Promise.all([nodes('first'), nodes('second')]);
    await second.stop();
    await expect(portOf(first, second).provision(wanted(), never)).rejects.toMatchObject({ reason: 'unavailable' });
    await expect(portOf(first, second).deprovision(wanted().id, never)).rejects.toMatchObject({
      reason: 'unavailable',
    });
  });

  test('are told the token, which does not show in what they refuse with', async () => {
    await mkdir(state('one'), { recursive: true });
    await writeFile(join(state('one'), 'x'), '');
    const port = portOf(await started('provisioner', 'one', ['--state', state('one'), '--', '/no/such/{labels}']));
    expect(await port.provision({ ...wanted(), token: 'secret' }, never)).toBe('refused');
    expect(lab.lines.join('\n')).not.toContain('secret');
    expect(told).toEqual([]);
  });
});

/**
 * Every example on three real nodes over a real etcd, dispatched from a shell that has only the nodes' addresses: once in
 * peace, once with a node killed while it runs one of its tasks. The report must be the same, and the store in order.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FsckReport, SpecView, TaskView } from '@boi/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Lab } from './lab.ts';

interface Example {
  readonly folder: string;
  readonly file: string;
  readonly set?: readonly string[];
  /** Makes it long enough to pull a plug. */
  readonly slow: readonly string[];
  /** A task that is surely running for a while then. */
  readonly victim: RegExp;
  readonly exitCode: 0 | 1;
}

const here = import.meta.dirname;
const EXAMPLES: readonly Example[] = [
  {
    folder: 'c-build',
    file: 'spec.yaml',
    set: [`src=${join(here, 'c-build')}`],
    slow: ['pause=1'],
    victim: /^compile/,
    exitCode: 0,
  },
  { folder: 'files', file: 'spec.toml', slow: ['pause=1'], victim: /^digest/, exitCode: 0 },
  { folder: 'retries', file: 'spec.yaml', slow: ['pause=2'], victim: /^flaky/, exitCode: 1 },
  { folder: 'outputs', file: 'spec.json', slow: ['pause=3'], victim: /^(linux|windows)/, exitCode: 0 },
];

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
});
afterAll(() => lab?.stop());

describe('the examples, on three nodes and a real etcd', () => {
  test.each(EXAMPLES)('$folder leaves the expected report', async (example) => {
    const out = join(lab.dir, `${example.folder}-out`);
    const { code, stderr } = await lab.boi(...dispatch(example, out), '--wait', '--tail');
    expect(code, stderr).toBe(example.exitCode);
    expectReport(example.folder, out);
    await expectInOrder();
  });

  test.each(EXAMPLES)('$folder leaves the same report when a node is killed under it', async (example) => {
    const out = join(lab.dir, `${example.folder}-out-kill`);
    const { stdout } = await lab.boi(...dispatch(example, out, example.slow));
    const spec = stdout.trim();
    const killed = await killHolder(spec, example.victim);
    const { code, stderr } = await lab.boi('spec', 'wait', spec);
    expect(code, stderr).toBe(example.exitCode);
    expectReport(example.folder, out);
    await expectInOrder();
    await expectOneResultEach(spec);
    await lab.revive(killed);
  });

  test.each(['in peace', 'when its node is killed'])('service answers until it is cancelled, %s', async (how) => {
    const out = join(lab.dir, `service-out-${how.length}`);
    const { stdout } = await lab.boi(...dispatch({ folder: 'service', file: 'spec.yaml' }, out));
    const spec = stdout.trim();
    const killed = how === 'in peace' ? undefined : await killHolder(spec, /^service/);
    await eventually('the client has its replies', async () =>
      (await tasksOf(spec)).find(({ ref, state }) => ref === 'client' && state === 'succeeded'),
    );
    expect((await lab.boi('spec', 'cancel', spec)).code).toBe(0);
    const { code, stderr } = await lab.boi('spec', 'wait', spec);
    expect(code, stderr).toBe(1);
    expectReport('service', out);
    await expectInOrder();
    const view = JSON.parse((await lab.boi('spec', 'show', spec, '-o', 'json')).stdout) as SpecView;
    expect(view).toMatchObject({ state: 'cancelled', counts: { cancelled: 1, succeeded: 2 } });
    if (killed !== undefined) await lab.revive(killed);
  });
});

function dispatch(
  { folder, file, set = [] }: Pick<Example, 'folder' | 'file' | 'set'>,
  out: string,
  more: readonly string[] = [],
) {
  const pairs = [...set, ...more, `out=${out}`].flatMap((pair) => ['--set', pair]);
  return ['spec', 'dispatch', join(here, folder, file), ...pairs];
}

/** Waits until a task of that ref runs and kills the node that runs it; answers the node's name. */
async function killHolder(spec: string, victim: RegExp): Promise<string> {
  const name = await eventually(`a task ${victim} runs`, async () => {
    const tasks = await tasksOf(spec);
    return tasks.find(({ ref, state }) => state === 'running' && victim.test(ref))?.node?.name;
  });
  await lab.kill(name);
  return name;
}

async function tasksOf(spec: string): Promise<TaskView[]> {
  const { stdout, stderr } = await lab.boi('task', 'list', spec, '-o', 'json');
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as TaskView[];
}

function expectReport(folder: string, out: string): void {
  expect(readFileSync(join(out, 'report.txt'), 'utf8')).toBe(readFileSync(join(here, folder, 'expected.txt'), 'utf8'));
}

async function expectInOrder(): Promise<void> {
  const { code, stdout, stderr } = await lab.boi('cluster', 'fsck', '-o', 'json');
  expect(code, stderr + stdout).toBe(0);
  expect((JSON.parse(stdout) as FsckReport).findings).toEqual([]);
}

async function expectOneResultEach(spec: string): Promise<void> {
  const view = JSON.parse((await lab.boi('spec', 'show', spec, '-o', 'json')).stdout) as SpecView;
  const { succeeded, failed, cancelled, skipped } = view.counts;
  expect(succeeded + failed + cancelled + skipped).toBe(view.tasks);
}

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { bundleProgram } from '../testing/bundle.ts';
import { runConformance } from './kit.ts';

let program: string;
let command: string;
beforeAll(async () => {
  program = await bundleProgram(join(import.meta.dirname, '../testing/misbehaving-plugin.ts'));
  command = await bundleProgram(join(import.meta.dirname, 'main.ts'));
});

const failed = async (mode: string) => {
  const plugin = { kind: 'router' as const, command: process.execPath, args: [program, mode], readyTimeoutMs: 10_000 };
  return (await runConformance({ plugin })).filter(({ ok }) => !ok);
};

describe('the conformance kit', () => {
  test.each(['garbage', 'crash', 'wrong-major'])(
    'stops at the first check when there is no handshake: %s',
    async (mode) => {
      expect(await failed(mode)).toMatchObject([{ name: expect.stringContaining('answers the handshake') }]);
    },
  );

  test('tells what the plugin wrote where a check failed', async () => {
    expect(await failed('crash')).toMatchObject([{ wrote: expect.arrayContaining(['stderr: about to crash']) }]);
  });

  test('finds advice that breaks the contract', async () => {
    expect(await failed('nonsense')).toContainEqual(
      expect.objectContaining({
        name: 'rates candidates for one task and for 256',
        problem: expect.stringContaining('preference'),
      }),
    );
  });

  test('finds a plugin that outlives its node', async () => {
    expect((await failed('throws')).map(({ name }) => name)).toContain(
      'ends when its standard input does, since its node is gone then',
    );
  });

  test('finds a plugin that refuses nothing', async () => {
    expect((await failed('well')).map(({ name }) => name)).toContain(
      'refuses a request without tasks or candidates, and lives',
    );
  });

  test('finds a provisioner that forgets, and one that makes nodes for which nobody waits any more', async () => {
    const careless = await bundleProgram(join(import.meta.dirname, '../testing/careless-provisioner.ts'));
    const results = await runConformance({
      plugin: { kind: 'provisioner', command: process.execPath, args: [careless], readyTimeoutMs: 10_000 },
    });
    expect(results.filter(({ ok }) => !ok)).toMatchObject([
      { name: 'knows it after a crash' },
      {
        name: 'refuses a request without an id or an address, or whose deadline has passed',
        problem: expect.stringContaining('the call was answered'),
      },
    ]);
  });

  test('finds a plugin that must be killed', async () => {
    expect((await failed('stubborn')).map(({ name }) => name)).toContain(
      'ends within 5 s of TERM, before it is killed',
    );
  });

  test('is a command with a checklist and an exit code', () => {
    const run = (...args: string[]) => spawnSync(process.execPath, [command, ...args], { encoding: 'utf8' });
    const judged = run('--kind', 'router', '--', process.execPath, program, 'garbage');
    expect(judged).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^FAIL {2}prints BOI_READY.*0 of 1 checks passed\n$/s),
    });
    for (const wrong of [
      ['--kind', 'nothing'],
      ['--kind', 'workspace', '--', 'true'],
    ])
      expect(run(...wrong)).toMatchObject({ status: 2, stderr: expect.stringContaining('usage:') });
  });
});

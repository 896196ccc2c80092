import { afterEach, beforeEach, expect, it } from 'vitest';
import { Home } from './testing/harness.ts';

let home: Home;
beforeEach(async () => {
  home = await Home.make();
});
afterEach(() => home.remove());

const judge = (...words: string[]) => home.run(['plugin', 'test', ...words]);

it('a failed check shows what the program wrote, without what would drive the terminal', async () => {
  const program = ['sh', '-c', 'printf "Traceback\\nno module \\033]0;x\\007named grpc\\n" >&2; exit 3'];
  const { code, stdout } = await judge('--kind', 'hooks', '--', ...program);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^FAIL .*\n {6}plugin under-test: its process ended: exit code 3 before it was ready\n/);
  expect(stdout).toContain('\n        stderr: Traceback\n        stderr: no module named grpc\n');
  const listed = JSON.parse((await judge('--kind', 'hooks', '-o', 'json', '--', ...program)).stdout) as unknown[];
  expect(listed).toEqual([
    expect.objectContaining({ ok: false, wrote: expect.arrayContaining(['stderr: Traceback']) }),
  ]);
}, 60_000);

it.each([
  [['--kind', 'workspace', '--', 'x'], 'say by --source what the plugin can prepare'],
  [['--kind', 'pool', '--source', 'x', '--', 'x'], '--source is for workspace plugins, not for pool'],
  [['--kind', 'pool'], 'say after `--` what to run'],
])('what is missing or makes no sense is told before anything is started: %j', async (words, why) => {
  expect(await judge(...words)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(why) });
});

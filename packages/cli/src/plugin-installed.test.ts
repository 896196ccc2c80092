import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Home } from './testing/harness.ts';

let home: Home;
let dataDir: string;
// What the command loads takes seconds once, from sources.
beforeAll(async () => {
  const first = await Home.make();
  await first.run(['plugin', 'list', '--installed', '--data-dir', first.directory]);
  await first.remove();
}, 60_000);
beforeEach(async () => {
  home = await Home.make();
  dataDir = await mkdtemp(join(tmpdir(), 'boi-cli-plugins-'));
  await mkdir(join(dataDir, 'plugins'));
});
afterEach(async () => {
  await home.remove();
  await rm(dataDir, { recursive: true, force: true });
});

const file = (name: string) => join(dataDir, 'plugins', `${name}.json`);
/** Where nobody answers. */
const env = { BOI_ENDPOINTS: 'http://127.0.0.1:9' };
const list = (...words: string[]) => home.run(['plugin', 'list', ...words], { env });
const installed = (...words: string[]) => list('--installed', '--data-dir', dataDir, ...words);

it('plugins in a data directory are listed without a daemon, and no value of their environment', async () => {
  const audit = { kind: 'hooks', command: '/opt/audit', args: ['--file', 'x'], tier: 'audit', env: { KEY: 'hunter2' } };
  await writeFile(file('audit'), JSON.stringify(audit));
  await writeFile(file('near'), JSON.stringify({ kind: 'router', command: 'boi-router-spread' }));
  const { code, stdout, stderr } = await installed('-o', 'wide');
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^NAME +KIND +TIER +COMMAND/);
  expect(stdout).toMatch(/audit +hooks +audit +\/opt\/audit --file x +.*audit\.json +KEY/);
  expect(stdout).toMatch(/near +router +- +boi-router-spread/);
  expect(stdout).not.toContain('hunter2');
  expect(JSON.parse((await installed('-o', 'json')).stdout)).toEqual([
    {
      id: 'audit',
      name: 'audit',
      file: file('audit'),
      kind: 'hooks',
      command: ['/opt/audit', '--file', 'x'],
      tier: 'audit',
      variables: ['KEY'],
    },
    { id: 'near', name: 'near', file: file('near'), kind: 'router', command: ['boi-router-spread'] },
  ]);
  expect((await installed('-o', 'name')).stdout).toBe('audit\nnear\n');
});

it('a file that is wrong is listed with what is wrong, the others too, and the exit code tells', async () => {
  await writeFile(file('bad'), '{"kind":"router","comand":"x"}');
  await writeFile(file('good'), JSON.stringify({ kind: 'router', command: 'x' }));
  const { code, stdout, stderr } = await installed('-o', 'json');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject([
    { name: 'bad', error: expect.stringContaining('/comand is no field of a plugin; did you mean "command"?') },
    { name: 'good' },
  ]);
  expect(stderr).toBe(`1 of 2 files are wrong: a daemon on ${dataDir} does not start\n`);
});

it('a directory without plugins has none', async () => {
  expect(await installed()).toEqual({ code: 0, stdout: '', stderr: `no plugins in ${dataDir}\n` });
});

it('files are listed on request only, and of this host only', async () => {
  expect(await list('--data-dir', dataDir)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--data-dir says where --installed looks'),
  });
  expect(await installed('--node', 'build-1')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--installed is about files of this host'),
  });
  const { stdout } = await list('--help');
  expect(stdout).toContain('--installed');
  expect(stdout).toContain('boi-node plugin list --installed --data-dir /var/lib/boi');
});

it('a program that does not answer is not installed; what it wrote is told, and that the work failed', async () => {
  const program = ['--', 'sh', '-c', 'echo why >&2; exit 4'];
  const install = ['plugin', 'install', 'mine', '--kind', 'router', '--data-dir', dataDir, ...program];
  expect(await home.run(install, { env })).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/exit code 4 before it was ready; it wrote:\nwhy\n$/),
  });
  expect((await installed()).stderr).toContain('no plugins');
});

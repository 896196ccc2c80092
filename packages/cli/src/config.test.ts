import { chmod, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configPath, updateConfig } from './config-file.ts';
import { resolveSettings, SETTING_NAMES, SETTINGS, variableOf } from './settings.ts';
import { Home } from './testing/harness.ts';

let home: Home;
let file: string;

beforeEach(async () => {
  home = await Home.make();
  file = join(home.directory, 'config.json');
});
afterEach(() => home.remove());

const settingsOf = async (words: readonly string[], env: Record<string, string> = {}) => {
  const { stdout } = await home.run(['config', 'show', '-o', 'json', ...words], { env });
  return (JSON.parse(stdout) as { name: string; value?: unknown; source: string; from?: string }[]).filter(
    (s) => s.name !== 'format',
  );
};

describe('settings', () => {
  it('take the flag before the variable, the variable before the file, the file before the default', async () => {
    const of = async (words: readonly string[], env: Record<string, string>) =>
      (await settingsOf(words, env)).find((s) => s.name === 'request-timeout');
    expect(await of([], {})).toEqual({ name: 'request-timeout', value: 30_000, source: 'default' });
    await writeFile(file, JSON.stringify({ settings: { 'request-timeout': '4s' } }));
    expect(await of([], {})).toMatchObject({ value: 4_000, source: 'file', from: file });
    const env = { BOI_REQUEST_TIMEOUT: '5s' };
    expect(await of([], env)).toMatchObject({ value: 5_000, source: 'environment', from: 'BOI_REQUEST_TIMEOUT' });
    expect(await of(['--request-timeout', '6s'], env)).toMatchObject({
      value: 6_000,
      source: 'flag',
      from: '--request-timeout',
    });
  });

  it('have one name in three spellings, and none that a task finds in its environment', () => {
    const ofTasks = [
      'BOI_TASK_ID',
      'BOI_SPEC_ID',
      'BOI_TASK_REF',
      'BOI_ATTEMPT',
      'BOI_NODE_ID',
      'BOI_PROJECT_ID',
      'BOI_FENCE',
      'BOI_OUTPUT',
    ];
    expect(SETTING_NAMES.map(variableOf).filter((v) => ofTasks.includes(v))).toEqual([]);
    for (const setting of SETTINGS) {
      const value = 'choices' in setting ? setting.choices[0] : setting.kind === 'duration' ? '1s' : 'x';
      const inputs = { flags: new Map(), file: { path: 'f', values: { [setting.name]: value } } };
      expect(resolveSettings({ ...inputs, env: {} }).get(setting.name)?.source).toBe('file');
      const env = { [variableOf(setting.name)]: value };
      expect(resolveSettings({ ...inputs, env }).get(setting.name)?.source).toBe('environment');
    }
  });

  it('are errors when unknown or out of bounds, all at once, with the nearest name', async () => {
    await writeFile(file, JSON.stringify({ settings: { 'request-timout': '4s', format: 'xml' } }));
    const done = await home.run(['config', 'show']);
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr).toContain(`${file}: there is no setting "request-timout"; did you mean "request-timeout"?`);
    expect(done.stderr).toContain('format must be one of table, wide, json, yaml, name, not "xml"');
  });

  it('of the daemon are shown with their sources too', async () => {
    const config = join(home.directory, 'node.yaml');
    await writeFile(config, 'slots: 3\nlog-level: warn\n');
    const rows = await settingsOf(['--daemon', '--config', config], { BOI_SLOTS: '5' });
    expect(rows.find((r) => r.name === 'slots')).toMatchObject({ value: 5, source: 'environment' });
    expect(rows.find((r) => r.name === 'log-level')).toMatchObject({ value: 'warn', source: 'file', from: config });
    await writeFile(config, 'slotz: 3\n');
    const done = await home.run(['config', 'show', '--daemon', '--config', config]);
    expect(done.code).toBe(2);
    expect(done.stderr).toContain('did you mean "slots"');
  });

  it('of the daemon are named once when a value of the file is wrong', async () => {
    const config = join(home.directory, 'node.yaml');
    await writeFile(config, 'session-ttl: 1s\n');
    const done = await home.run(['config', 'show', '--daemon', '--config', config]);
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr.split('\n')).toEqual([
      `${config}: \`session-ttl\`: must lie between 3000 and 120000 ms; for instance 15s`,
      "boi-node: the daemon's configuration has errors",
      '',
    ]);
  });

  it('of the daemon are all there, set or not, written as a person would', async () => {
    const config = join(home.directory, 'node.yaml');
    await writeFile(config, 'label: { zone: east, gpu: a100 }\netcd: [http://a:1, http://b:1]\nshutdown-drain: 90s\n');
    const { stdout } = await home.run(['config', 'show', '--daemon', '--config', config], {
      env: { BOI_LISTEN: '[::1]:7440', BOI_TOKEN: 'opens-the-door' },
    });
    expect(stdout).not.toContain('opens-the-door');
    const shown = Object.fromEntries(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 2)));
    expect(shown).toMatchObject({
      label: 'zone=east,gpu=a100',
      etcd: 'http://a:1,http://b:1',
      listen: '[::1]:7440',
      'shutdown-drain': '90s',
      'session-ttl': '15s',
      'log-keep': '7d',
      'log-bytes': '1GiB',
      'archive-bytes': '100MB',
      'task-user': '-',
      token: '(hidden)',
    });
  });

  it('of the daemon are not read from a file for the command', async () => {
    const done = await home.run(['config', 'show', '--config', '/etc/boi/node.yaml']);
    expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining('--config goes with --daemon') });
  });
});

describe('contexts', () => {
  const add = (...words: string[]) => home.run(['context', 'add', ...words]);

  it('are added, listed, chosen and forgotten', async () => {
    expect((await add('a', 'http://127.0.0.1:1/')).code).toBe(0);
    expect(
      (await add('b', 'http://127.0.0.1:2', 'http://localhost:3', '--project', 'web', '--keep-current')).code,
    ).toBe(0);
    const { stdout } = await home.run(['context', 'list']);
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((l) => l.split(/ {2,}/)),
    ).toEqual([
      ['CURRENT', 'NAME', 'ENDPOINTS', 'PROJECT'],
      ['*', 'a', 'http://127.0.0.1:1', '-'],
      ['', 'b', 'http://127.0.0.1:2, http://localhost:3', 'web'],
    ]);
    expect((await home.run(['context', 'use', 'b'])).code).toBe(0);
    expect(await settingsOf([])).toEqual(
      expect.arrayContaining([
        { name: 'endpoints', value: ['http://127.0.0.1:2', 'http://localhost:3'], source: 'context', from: 'b' },
        { name: 'project', value: 'web', source: 'context', from: 'b' },
      ]),
    );
    expect((await home.run(['context', 'remove', 'b'])).code).toBe(0);
    expect((await home.run(['spec', 'list'])).stderr).toContain('`boi-node context use NAME` chooses one of a\n');
  });

  it('are asked for when there is none, with how to make one', async () => {
    const done = await home.run(['spec', 'list']);
    expect(done.code).toBe(2);
    expect(done.stderr).toMatch(/boi-node dev.*boi-node context add/);
  });

  it('that do not exist are errors naming the nearest', async () => {
    await add('staging', 'http://127.0.0.1:1');
    const done = await home.run(['spec', 'list', '--context', 'stagin']);
    expect(done).toMatchObject({ code: 2 });
    expect(done.stderr).toContain('did you mean "staging"?');
    expect((await home.run(['context', 'use', 'nope'])).code).toBe(4);
  });

  it('refuse plain HTTP off loopback', async () => {
    const done = await add('far', 'http://192.0.2.1:7440');
    expect(done.code).toBe(2);
    expect(done.stderr).toContain('plain HTTP is for loopback only');
  });
});

describe('the configuration file', () => {
  const env = () => ({ BOI_CONFIG_DIR: home.directory });

  it('is found by BOI_CONFIG_DIR, XDG_CONFIG_HOME, HOME, in this order', () => {
    const all = { BOI_CONFIG_DIR: '/own', XDG_CONFIG_HOME: '/xdg', HOME: '/home/u' };
    expect(configPath(all)).toBe('/own/config.json');
    expect(configPath({ ...all, BOI_CONFIG_DIR: '' })).toBe('/xdg/boi/config.json');
    expect(configPath({ HOME: '/home/u' })).toBe('/home/u/.config/boi/config.json');
  });

  it('is written whole and for its owner only, also by many at once', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `c${i}`);
    const context = { endpoints: ['http://127.0.0.1:1'] };
    await Promise.all(
      names.map((name) => updateConfig(env(), (c) => ({ ...c, contexts: { ...c.contexts, [name]: context } }))),
    );
    const written = JSON.parse(await readFile(file, 'utf8')) as { contexts: object };
    expect(Object.keys(written.contexts).sort()).toEqual([...names].sort());
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('keeps its mode 0600 when it was opened up', async () => {
    await updateConfig(env(), (c) => c);
    await chmod(file, 0o644);
    await updateConfig(env(), (c) => c);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('with anything unknown or ill-formed is refused, naming it', async () => {
    await writeFile(file, JSON.stringify({ contxts: {}, contexts: { a: { endpoint: 'x', endpoints: [] } } }));
    const done = await home.run(['context', 'list']);
    expect(done.code).toBe(2);
    expect(done.stderr).toContain('there is no key "contxts" at /; did you mean "contexts"?');
    expect(done.stderr).toContain('there is no key "endpoint" at /contexts/a; did you mean "endpoints"?');
    expect(done.stderr).toContain('context "a": "endpoints" must be a list of URLs');
    await writeFile(file, '{');
    expect((await home.run(['context', 'list'])).code).toBe(2);
  });
});

describe('logs sweep', () => {
  // Loads the whole daemon.
  it('says what would go, and removes it only when asked to', { timeout: 60_000 }, async () => {
    const spec = 'spc_01kapz0vge5n3m8q2r7t4w0000';
    const logs = join(home.directory, 'data/logs', spec);
    await mkdir(logs, { recursive: true });
    const old = join(logs, 'tsk_01kapz0vge5n3m8q2r7t4w0001.1.1.log');
    await writeFile(old, 'x'.repeat(2048));
    await utimes(old, 1, 1);
    await writeFile(join(logs, 'tsk_01kapz0vge5n3m8q2r7t4w0002.1.1.log'), 'new');
    const sweep = (...words: string[]) =>
      home.run(['logs', 'sweep', '--data-dir', join(home.directory, 'data'), '-o', 'name', ...words]);
    const looked = await sweep('--dry-run');
    expect(looked).toMatchObject({ code: 0, stdout: 'tsk_01kapz0vge5n3m8q2r7t4w0001\n' });
    expect(looked.stderr).toBe('would remove 1 logs, 2.0 KiB\n');
    expect(await readdir(logs)).toHaveLength(2);
    expect(await sweep()).toMatchObject({ code: 0, stderr: 'removed 1 logs, 2.0 KiB\n' });
    expect(await readdir(logs)).toEqual(['tsk_01kapz0vge5n3m8q2r7t4w0002.1.1.log']);
    expect((await home.run(['logs', 'sweep', '--data-dir', '/does/not/exist'])).code).toBe(4);
  });
});

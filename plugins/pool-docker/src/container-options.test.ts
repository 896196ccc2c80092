import type { pool } from '@boi/plugin-sdk';
import { describe, expect, test } from 'vitest';
import { containerOptions } from './container-options.ts';
import { readSettings } from './settings.ts';

const OWNER = { nodeId: 'nod_1', pluginId: 'pool' };
const settings = (...args: string[]) => readSettings(args, '7:8');
const request = (change: Partial<pool.SpawnRequest__Output> = {}): pool.SpawnRequest__Output => ({
  taskId: 'tsk_1',
  fence: '42',
  attempt: 1,
  delivery: 1,
  argv: ['/bin/sh', '-c', 'true'],
  env: {},
  workdir: '',
  slots: 1,
  options: {},
  ...change,
});
const made = (change: Partial<pool.SpawnRequest__Output>, ...args: string[]) =>
  containerOptions(request(change), settings('--image', 'debian:12', ...args), OWNER);
const mounted = (...given: Parameters<typeof made>) =>
  (made(...given).HostConfig?.Mounts ?? []).map(({ Source, Target }) => `${Source} at ${Target}`);

describe('the container of a task', () => {
  test('is named and labelled by task and fence, runs the program itself, as the user of the plugin', () => {
    expect(made({ slots: 3, workdir: '/w', env: { A: 'b=c' } }, '--label', 'team=x')).toMatchObject({
      name: 'boi-tsk_1.42',
      Image: 'debian:12',
      Entrypoint: ['/bin/sh', '-c', 'true'],
      Cmd: [],
      Env: ['A=b=c'],
      WorkingDir: '/w',
      User: '7:8',
      Labels: {
        team: 'x',
        'boi.pool.task': 'tsk_1',
        'boi.pool.fence': '42',
        'boi.pool.node': 'nod_1',
        'boi.pool.plugin': 'pool',
      },
      HostConfig: { Init: true, CpuShares: 3_072, LogConfig: { Type: 'local' } },
    });
    expect(made({}, '--user', 'image').User).toBeUndefined();
  });

  test('has no name that is a path', () => {
    expect(() => made({ taskId: '../../escape' })).toThrow('task_id is ill-formed');
  });

  test('leaves to the image the variables that it is told to', () => {
    const env = { PATH: '/host', HOME: '/root', BOI_FENCE: '42' };
    expect(made({ env }, '--image-env', 'PATH,HOME').Env).toEqual(['BOI_FENCE=42']);
  });

  test('has the limits it asks for, else those of the pool', () => {
    const pool = ['--cpus', '2', '--memory', '64MiB'];
    expect(made({}, ...pool).HostConfig).toMatchObject({ NanoCpus: 2e9, Memory: 2 ** 26, MemorySwap: 2 ** 26 });
    expect(made({ options: { cpus: '0.5', memory: '1GiB' } }, ...pool).HostConfig).toMatchObject({
      NanoCpus: 5e8,
      Memory: 2 ** 30,
    });
    expect(made({}).HostConfig).not.toHaveProperty('Memory');
  });

  test('has its directory and that of its outputs at the same paths, one inside the other once', () => {
    const BOI_OUTPUT = '/data/work/t/output';
    expect(mounted({ workdir: '/data/work/t/work', env: { BOI_OUTPUT } })).toEqual(['/data/work/t at /data/work/t']);
    expect(mounted({ workdir: '/repo', env: { BOI_OUTPUT } }, '--mount', '/cache:/c:ro')).toEqual([
      '/repo at /repo',
      '/data/work/t at /data/work/t',
      '/cache at /c',
    ]);
    expect(mounted({ workdir: '/data/work/t', env: { BOI_OUTPUT } })).toEqual(['/data/work/t at /data/work/t']);
    expect(mounted({ workdir: '/data/work/t2', env: { BOI_OUTPUT } })).toHaveLength(2);
  });

  test('has them from where the engine has them', () => {
    const paths = ['--path', '/data=/srv/a', '--path', '/data/work=/srv/b'];
    expect(mounted({ workdir: '/data/work/x' }, ...paths)).toEqual(['/srv/b/x at /data/work/x']);
    expect(mounted({ workdir: '/data/worked' }, ...paths)).toEqual(['/srv/a/worked at /data/worked']);
    expect(mounted({ workdir: '/elsewhere' }, ...paths)).toEqual(['/elsewhere at /elsewhere']);
  });

  test('is of the image that the task names, if the pool allows it', () => {
    const allow = ['--allow', 'registry.example.org/', '--allow', 'debian:'];
    expect(made({ options: { image: 'debian:13' } }, ...allow).Image).toBe('debian:13');
    expect(made({ options: { image: 'anything' } }).Image).toBe('anything');
    expect(() => made({ options: { image: 'evil' } }, ...allow)).toThrow(
      'option image evil: must begin with registry.example.org/ or debian:',
    );
    expect(() => containerOptions(request(), settings(), OWNER)).toThrow('option image: must name one');
  });

  test.each([
    [{ gpu: '1' }, 'option gpu: there are image, cpus and memory'],
    [{ cpus: 'two' }, 'option cpus two: must be'],
    [{ memory: '1MB' }, 'option memory 1MB: must be'],
  ])('refuses the options %j', (options, message) => {
    expect(() => made({ options: options as Record<string, string> })).toThrow(
      expect.objectContaining({ kind: 'invalid-argument', message: expect.stringContaining(message) }),
    );
  });
});

describe('flags', () => {
  test.each([
    [['--pull', 'always'], '--pull always: must be missing or never'],
    [['--path', 'a=/b'], '--path a: must be an absolute path'],
    [['--label', 'x'], '--label x: must be KEY=VALUE'],
    [['--socket', 'docker.sock'], '--socket docker.sock: must be an absolute path'],
    [['--colour', 'red'], "Unknown option '--colour'"],
    [['debian'], 'Unexpected argument'],
  ])('%j are refused', (args, message) => {
    expect(() => settings(...args)).toThrow(message);
  });
});

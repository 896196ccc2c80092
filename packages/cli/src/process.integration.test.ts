/** The command as a process: exit codes, what is on which stream, signals, pipes, start without what is not needed, and completion in a real shell. */
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_ID, nodeView, SPEC_ID, StubApi, specView, taskView } from '@boi/client/testing';
import { BoiError } from '@boi/core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const packageRoot = fileURLToPath(new URL('..', import.meta.url));
let place: string;
let bin: string;
let api: StubApi;

beforeAll(async () => {
  // The launcher beside a bundle of the sources as they are now.
  place = await mkdtemp(join(tmpdir(), 'boi-cli-process-'));
  await cp(join(packageRoot, 'bin'), join(place, 'bin'), { recursive: true });
  await writeFile(join(place, 'package.json'), '{"type":"module"}');
  await symlink(join(packageRoot, '../../node_modules'), join(place, 'node_modules'));
  await bundle();
  bin = join(place, 'bin/boi-node.js');
  await mkdir(join(place, 'path'));
  await symlink(bin, join(place, 'path/boi-node'));
});
afterAll(() => rm(place, { recursive: true, force: true }));

beforeEach(async () => {
  api = await StubApi.start();
});
afterEach(async () => {
  await api.stop();
  expect(api.violations).toEqual([]);
});

async function bundle(): Promise<void> {
  const { done } = start(process.execPath, [join(packageRoot, 'scripts/bundle.js'), join(place, 'dist/bundle')]);
  expect(await done).toMatchObject({ code: 0 });
}

interface Done {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(program: string, words: readonly string[], stdin = ''): { child: ChildProcess; done: Promise<Done> } {
  const env = {
    PATH: `${join(place, 'path')}${delimiter}${process.env.PATH}`,
    HOME: place,
    BOI_CONFIG_DIR: join(place, 'config'),
    ...(api === undefined ? {} : { BOI_ENDPOINTS: api.url }),
  };
  const child = spawn(program, words, { env, cwd: place, stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  // A command that does not read its input closes it early.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const done = new Promise<Done>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, done };
}

const boi = (words: readonly string[], stdin?: string) => start(process.execPath, [bin, ...words], stdin);
const bash = (script: string) => start('bash', ['-c', script]).done;

const accepted = { id: SPEC_ID, project: { id: 'prj_01kapz0vge5n3m8q2r7t4wdefg' }, tasks: 1, existing: false };
const SPEC = 'tasks: [{ref: build, run: make}]';

function ends(state: 'succeeded' | 'failed'): void {
  api.on('spec.dispatch', () => accepted);
  api.on('spec.events', ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`event: end\ndata: ${JSON.stringify({ type: 'end', spec: specView({ state }) })}\n\n`);
    return undefined;
  });
}

describe('exit codes', () => {
  it('0: it worked; standard output has the id alone', async () => {
    ends('succeeded');
    expect(await boi(['spec', 'dispatch', '-', '--wait'], SPEC).done).toMatchObject({
      code: 0,
      stdout: `${SPEC_ID}\n`,
    });
  });

  it('1: the work failed', async () => {
    ends('failed');
    expect(await boi(['spec', 'dispatch', '-', '--wait'], SPEC).done).toMatchObject({
      code: 1,
      stdout: `${SPEC_ID}\n`,
    });
  });

  it.each([
    [['spec', 'list', '--nonsense']],
    [['spec', 'list', '--limit']],
    [['spec', 'frobnicate']],
    [['nonsense']],
    [['spec', 'show']],
    [['spec', 'show', 'a', 'b']],
    [['spec', 'dispatch', '/does/not/exist.yaml']],
    [['spec', 'list', '--endpoints', 'http://192.0.2.1:1']],
    [[]],
  ])('2: usage, %j; nothing on standard output', async (words) => {
    expect(await boi(words).done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/\S/) });
  });

  it('2: a spec with errors', async () => {
    const done = await boi(['spec', 'dispatch', '-'], 'tasks: [{ref: build}]').done;
    expect(done).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('<stdin>:1:') });
  });

  it('3: the cluster cannot be reached, naming the address', async () => {
    const { url } = api;
    await api.stop();
    const done = await boi(['spec', 'list']).done;
    expect(done).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining(url) });
    api = await StubApi.start();
  });

  it('4: there is no such thing', async () => {
    api.on('spec.show', () => {
      throw new BoiError('not-found', 'there is no spec "gone"');
    });
    expect(await boi(['spec', 'show', 'gone']).done).toMatchObject({ code: 4, stdout: '' });
  });

  it('5: refused', async () => {
    api.on('node.remove', () => {
      throw new BoiError('wrong-state', 'the node is alive');
    });
    expect(await boi(['node', 'remove', 'build-1']).done).toMatchObject({ code: 5, stdout: '' });
  });

  it('130: Ctrl-C detaches, and the work goes on', async () => {
    api.on('spec.dispatch', () => accepted);
    const followed = new Promise<void>((resolve) => {
      api.on('spec.events', ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        resolve();
        return undefined;
      });
    });
    const { child, done } = boi(['spec', 'dispatch', '-', '--wait'], SPEC);
    await followed;
    child.kill('SIGINT');
    expect(await done).toMatchObject({
      code: 130,
      stdout: `${SPEC_ID}\n`,
      stderr: expect.stringContaining(`boi-node spec cancel ${SPEC_ID}`),
    });
    expect(api.of('spec.cancel')).toEqual([]);
  });

  it('of `run`: that of the command, with its streams kept apart', async () => {
    ends('failed');
    api.on('task.show', () => taskView({ state: 'failed', reason: 'exit-code', exitCode: 42 }));
    api.on('task.log', ({ response }) => {
      const lines = [
        { type: 'begin', attempt: 1, delivery: 1, node: NODE_ID, offset: 0 },
        { type: 'data', offset: 0, stream: 'stdout', data: Buffer.from('out\n').toString('base64') },
        { type: 'data', offset: 4, stream: 'stderr', data: Buffer.from('err\n').toString('base64') },
        { type: 'end', complete: true, state: 'failed' },
      ];
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.end(lines.map((l) => `${JSON.stringify(l)}\n`).join(''));
      return undefined;
    });
    expect(await boi(['run', '--', 'sh', '-c', 'exit 42']).done).toMatchObject({
      code: 42,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });
});

describe('the process', () => {
  it('reads and writes YAML', async () => {
    expect(await boi(['version', '-o', 'yaml']).done).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^version: /),
    });
    await writeFile(join(place, 'node.yaml'), `data-dir: ${join(place, 'nowhere')}\nlog-keep: 1h\n`);
    const { stderr } = await boi(['logs', 'sweep', '--dry-run', '--config', 'node.yaml']).done;
    expect(stderr).toContain('nowhere');
    expect(stderr).not.toContain('a bug');
  });

  it('answers --version and --help on standard output', async () => {
    expect(await boi(['--version']).done).toMatchObject({ code: 0, stdout: '0.1.0\n', stderr: '' });
    expect(await boi(['version']).done).toMatchObject({ code: 0, stdout: '0.1.0\n' });
    expect(await boi(['--help']).done).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('spec dispatch'),
    });
    expect(await boi(['spec', '--help']).done).toMatchObject({ code: 0, stdout: expect.stringContaining('spec tail') });
    expect(await boi(['spec', 'list', '--help']).done).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('# ids alone'),
    });
    expect(await boi(['help', 'spec', 'list']).done).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('# ids alone'),
    });
  });

  it('writes all of a large answer into a pipe, and says nothing when its reader goes away', async () => {
    api.on('node.list', () => ({ items: Array.from({ length: 5_000 }, () => nodeView()) }));
    expect(await bash('boi-node node list -o json | wc -l')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ *\d{5}\n$/),
    });
    expect(await bash('boi-node node list -o json | head -1; echo "$PIPESTATUS"')).toMatchObject({
      stdout: '[\n141\n',
      stderr: '',
    });
  });
});

describe('bundling again', () => {
  /** Each file of the bundle: a new one in the place of an old one has a number of its own. */
  const files = async (): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const name of await readdir(join(place, 'dist'), { recursive: true })) {
      const { ino, mtimeMs } = await stat(join(place, 'dist', name));
      if (name.endsWith('.js')) found.set(name, `${ino} ${mtimeMs}`);
    }
    return found;
  };

  it('leaves alone what would not change, so that commands that are being loaded find it whole', async () => {
    const before = await files();
    expect(before.size).toBeGreaterThan(10);
    await bundle();
    expect(await files()).toEqual(before);
  });

  it('puts a changed file in its place at once: who has it open reads the one from before', async () => {
    const main = join(place, 'dist/bundle/main.js');
    const right = await readFile(main, 'utf8');
    await writeFile(main, 'an older bundle');
    const opened = await open(main);
    try {
      await bundle();
      expect(await opened.readFile('utf8')).toBe('an older bundle');
    } finally {
      await opened.close();
    }
    expect(await readFile(main, 'utf8')).toBe(right);
    expect((await readdir(join(place, 'dist/bundle'))).toSorted()).toEqual(['chunks', 'main.js']);
  });
});

describe('completion in bash', () => {
  const complete = async (line: string) => {
    const script = `source <(boi-node completion bash); COMP_WORDS=(${line}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _boi_node; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const done = await bash(script);
    expect(done.stderr).toBe('');
    return done.stdout.split('\n').filter((l) => l !== '');
  };

  it('offers commands, verbs, flags, choices and files', async () => {
    expect(await complete('boi-node sp')).toEqual(['spec']);
    expect(await complete('boi-node spec d')).toEqual(['dispatch']);
    expect(await complete('boi-node spec dispatch --w')).toEqual(['--wait']);
    expect(await complete('boi-node spec list --state su')).toEqual(['succeeded']);
    expect(await complete('boi-node spec list -o y')).toEqual(['yaml']);
    expect(await complete('boi-node completion z')).toEqual(['zsh']);
    expect(await complete('boi-node spec dispatch pack')).toEqual(['package.json']);
  });

  it('offers names from the cluster', async () => {
    api.on('spec.list', () => ({ items: [specView({ name: 'nightly' }), specView({ name: 'with space' })] }));
    api.on('spec.tasks', () => ({ items: [taskView({ ref: 'shard[1]' }), taskView({ ref: 'test' })] }));
    api.on('node.list', () => ({ items: [nodeView({ name: 'build-1' })] }));
    expect(await complete('boi-node spec show ni')).toEqual(['nightly']);
    expect(await complete('boi-node spec cancel a ni')).toEqual(['nightly']);
    expect(await complete('boi-node task show nightly/t')).toEqual(['nightly/test']);
    expect(await complete("boi-node node drain --deadline 5m ''")).toEqual(['build-1', NODE_ID]);
  });

  it('is silent without a cluster', async () => {
    await api.stop();
    expect(await complete('boi-node spec show ni')).toEqual([]);
    api = await StubApi.start();
  });
});

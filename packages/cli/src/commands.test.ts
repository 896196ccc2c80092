import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clusterView, NODE_ID, nodeView, SPEC_ID, StubApi, specView, T0, TASK_ID, taskView } from '@boi/client/testing';
import { BoiError, type LogEvent, mintedAt, type SpecEvent, type SpecId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stripped } from './output/width.ts';
import { Captured, Home, type RunOptions } from './testing/harness.ts';

let home: Home;
let api: StubApi;

beforeEach(async () => {
  home = await Home.make();
  api = await StubApi.start();
});

afterEach(async () => {
  await api.stop();
  await home.remove();
  expect(api.violations).toEqual([]);
});

const run = (words: readonly string[], options: RunOptions = {}) =>
  home.run(words, { now: T0 + 90_000, ...options, env: { BOI_ENDPOINTS: api.url, ...options.env } });

const SPEC = 'tasks:\n  - ref: build\n    run: make\n';
const accepted = {
  id: SPEC_ID,
  name: 'nightly',
  project: { id: 'prj_01kapz0vge5n3m8q2r7t4wdefg' },
  tasks: 1,
  existing: false,
};

function events(list: readonly SpecEvent[]) {
  api.on('spec.events', ({ response }) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const e of list) response.write(`event: ${e.type}\ndata: ${JSON.stringify(e)}\n\n`);
    return undefined;
  });
}

function log(list: readonly LogEvent[]) {
  api.on('task.log', ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.end(list.map((e) => `${JSON.stringify(e)}\n`).join(''));
    return undefined;
  });
}

const begin: LogEvent = { type: 'begin', attempt: 1, delivery: 1, node: NODE_ID, offset: 0 };
const data = (offset: number, stream: 'stdout' | 'stderr', text: string): LogEvent => ({
  type: 'data',
  offset,
  stream,
  at: T0,
  data: Buffer.from(text).toString('base64'),
});
const end: LogEvent = { type: 'end', complete: true, state: 'succeeded' };

describe('spec dispatch', () => {
  it('prints the id alone on standard output, and always sends an idempotency key', async () => {
    api.on('spec.dispatch', () => accepted);
    const done = await run(['spec', 'dispatch', '-'], { stdin: SPEC });
    expect(done).toEqual({ code: 0, stdout: `${SPEC_ID}\n`, stderr: '' });
    expect(api.calls[0]?.body).toEqual({
      source: SPEC,
      format: 'yaml',
      idempotencyKey: expect.stringMatching(/^cli-[0-9a-f]{32}$/),
    });
  });

  it('prints every error of the file as file:line:column and sends nothing', async () => {
    const file = join(home.directory, 'bad.yaml');
    await writeFile(
      file,
      'tasks:\n  - ref: build\n    rum: make\n  - ref: build\n    run: make\n    needs: [missing]\n',
    );
    const done = await run(['spec', 'dispatch', file]);
    expect(done).toMatchObject({ code: 2, stdout: '' });
    expect(done.stderr.split('\n').filter((l) => l.startsWith(`${file}:`))).toEqual(
      expect.arrayContaining([expect.stringMatching(/:3:5: .*"rum".*"run"/)]),
    );
    expect(api.calls).toEqual([]);
  });

  it('passes variables and the key on, to the project that was asked for', async () => {
    api.on('spec.dispatch', () => accepted);
    const source = 'vars: {who: x}\nproject: file\ntasks: [{ref: a, run: echo}]';
    await run(['spec', 'dispatch', '-', '--set', 'who=a=b', '--idempotency-key', 'K'], { stdin: source });
    await run(['-p', 'flag', 'spec', 'dispatch', '-'], { stdin: source });
    expect(api.calls.map((c) => c.params)).toEqual([{ prj: 'file' }, { prj: 'flag' }]);
    expect(api.calls[0]?.body).toMatchObject({ set: { who: 'a=b' }, idempotencyKey: 'K' });
  });

  it('waits with plain lines and exits 1 when a task failed', async () => {
    api.on('spec.dispatch', () => accepted);
    const failed = taskView({
      state: 'failed',
      endedAt: T0 + 2_000,
      exitCode: 2,
      reason: 'exit-code',
      message: 'exit code 2',
    });
    api.on('spec.tasks', () => ({ items: [taskView()] }));
    events([
      { type: 'spec', spec: specView({ tasks: 1 }) },
      { type: 'task', task: failed },
      {
        type: 'end',
        spec: specView({ tasks: 1, state: 'failed', counts: { succeeded: 0, failed: 1, cancelled: 0, skipped: 0 } }),
      },
    ]);
    const done = await run(['spec', 'dispatch', '-', '--wait'], { stdin: SPEC });
    expect(done).toMatchObject({ code: 1, stdout: `${SPEC_ID}\n` });
    expect(done.stderr).toContain('build failed after 2s, exit code 2: exit code 2\n');
    expect(done.stderr).toContain(`nightly (${SPEC_ID}) failed: 1/1, 1 failed\n`);
    expect(done.stderr).not.toContain('\x1b');
  });

  it('draws bars on a terminal, which fit its width and end with the last state', async () => {
    api.on('spec.dispatch', () => accepted);
    api.on('spec.tasks', () => ({ items: [taskView()] }));
    const counts = { succeeded: 19, failed: 0, cancelled: 0, skipped: 1 };
    const last = specView({ name: 'x'.repeat(90), state: 'succeeded', tasks: 20, counts, endedAt: T0 + 65_000 });
    events([
      { type: 'spec', spec: specView({ tasks: 20 }) },
      { type: 'end', spec: last },
    ]);
    const { stderr } = await run(['spec', 'dispatch', '-', '--wait', '--color', 'always'], {
      stdin: SPEC,
      terminal: true,
    });
    // Drawn over the frame before it, if there was time for one.
    const drawn = stderr.trimEnd().split('\n').at(-1) ?? '';
    const line = stripped(drawn.split('\x1b[J').at(-1) ?? '');
    expect(line).toMatch(/^x{27}… {2}█{22}▒░ {2}1:05 succeeded {2}20\/20, 19 succeeded, 1 sk.*…$/);
  });

  it('follows the output of tasks in whole lines after their refs, on standard error', async () => {
    api.on('spec.dispatch', () => accepted);
    api.on('spec.tasks', () => ({ items: [taskView({ state: 'succeeded' })] }));
    events([{ type: 'end', spec: specView({ state: 'succeeded' }) }]);
    log([begin, data(0, 'stdout', 'one\ntw'), data(6, 'stderr', 'oops\n'), data(11, 'stdout', 'o\nlast'), end]);
    const done = await run(['spec', 'dispatch', '-', '--tail'], { stdin: SPEC });
    expect(done).toMatchObject({ code: 0, stdout: `${SPEC_ID}\n` });
    expect(done.stderr).toContain('build | one\nbuild | oops\nbuild | two\nbuild | last\nbuild | -- succeeded');
    // Attempts that had ended before it asked, too.
    expect(api.of('task.log')[0]?.query).toEqual({ attempt: '1', delivery: '1', follow: 'true' });
  });

  it('tells why a task failed, also of one that was never started', async () => {
    const other = `${TASK_ID.slice(0, -1)}2`;
    api.on('spec.dispatch', () => accepted);
    api.on('spec.tasks', () => ({ items: [taskView({ state: 'running' })] }));
    const failed = { state: 'failed', endedAt: T0 + 2_000 } as const;
    api.on('task.show', () => taskView({ ...failed, startedAt: T0, message: 'verify command 2 exited 1\nand more' }));
    const { startedAt: _, ...unstarted } = taskView({ id: other, ref: 'key', ...failed, message: 'no secret `KEY`' });
    api.on('task.log', ({ params, response }) => {
      if (params.tsk === other) throw new BoiError('log-unavailable', 'there is no log');
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.end(`${JSON.stringify({ ...end, state: 'failed' })}\n`);
      return undefined;
    });
    events([
      { type: 'spec', spec: specView({ tasks: 2 }) },
      { type: 'task', task: unstarted },
      { type: 'end', spec: specView({ state: 'failed' }) },
    ]);
    const done = await run(['spec', 'dispatch', '-', '--tail'], { stdin: SPEC });
    expect(done.code).toBe(1);
    expect(done.stderr).toMatch(/build +\| -- failed after 2s: verify command 2 exited 1\n/);
    expect(done.stderr).toMatch(/key +\| -- failed: no secret `KEY`\n/);
    expect(done.stderr).not.toContain('not available');
  });

  it('detaches at Ctrl-C: says that the work goes on and how to cancel it, and exits 130', async () => {
    api.on('spec.dispatch', () => accepted);
    let interrupt = () => {};
    api.on('spec.events', ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      interrupt();
      return undefined;
    });
    const done = await run(['spec', 'dispatch', '-', '--wait'], {
      stdin: SPEC,
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done.code).toBe(130);
    expect(done.stderr).toContain(`the work goes on: ${SPEC_ID}`);
    expect(done.stderr).toContain(`boi-node spec cancel ${SPEC_ID}`);
    expect(api.of('spec.cancel')).toEqual([]);
  });

  it('says after Ctrl-C before the answer how to learn whether it was dispatched', async () => {
    let interrupt = () => {};
    api.on('spec.dispatch', ({ response }) => {
      interrupt();
      response.destroy();
      return undefined;
    });
    const done = await run(['spec', 'dispatch', '-', '--idempotency-key', 'K7'], {
      stdin: SPEC,
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done).toMatchObject({ code: 130, stdout: '' });
    expect(done.stderr).toMatch(/^interrupted before the cluster answered.*\n.*--idempotency-key K7\n$/);
  });

  it('goes on with another node of the context when the one that answers dies', async () => {
    const other = await StubApi.start();
    try {
      api.on('spec.dispatch', () => accepted);
      api.on('spec.tasks', () => ({ items: [] }));
      api.on('spec.events', ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(
          `event: spec\ndata: ${JSON.stringify({ type: 'spec', spec: specView() })}\n\n`,
          () => void api.stop(),
        );
        return undefined;
      });
      other.on('spec.events', ({ response }) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.end(
          `event: end\ndata: ${JSON.stringify({ type: 'end', spec: specView({ state: 'succeeded' }) })}\n\n`,
        );
        return undefined;
      });
      const env = { BOI_ENDPOINTS: `${api.url},${other.url}` };
      const done = await run(['spec', 'dispatch', '-', '--wait'], { stdin: SPEC, env });
      expect(done).toMatchObject({ code: 0, stdout: `${SPEC_ID}\n` });
      expect(done.stderr).toContain(`connected to ${other.url}`);
      expect(other.of('spec.dispatch')).toEqual([]);
      expect(other.violations).toEqual([]);
    } finally {
      await other.stop();
      api = await StubApi.start();
    }
  });

  it('shows where tasks would go with --dry-run, and dispatches nothing', async () => {
    api.on('spec.plan', () => ({
      tasks: [
        { index: 1, ref: 'build', needs: [], node: { id: NODE_ID, name: 'build-1' }, why: 'ranks first of 1 node' },
      ],
      total: 1,
    }));
    const done = await run(['spec', 'dispatch', '-', '--dry-run'], { stdin: SPEC });
    expect(done.stdout).toBe('#  TASK   NEEDS  NODE     WHY\n1  build  -      build-1  ranks first of 1 node\n');
    expect(api.calls.map((c) => c.route)).toEqual(['spec.plan']);
  });
});

describe('run', () => {
  const report = (more: object) => api.on('task.show', () => taskView({ ref: 'run', ...more }));

  it('keeps the two streams apart and returns the exit code of the command', async () => {
    api.on('spec.dispatch', () => accepted);
    events([{ type: 'end', spec: specView({ state: 'failed' }) }]);
    log([begin, data(0, 'stdout', 'out'), data(3, 'stderr', 'err'), { type: 'end', complete: true, state: 'failed' }]);
    report({ state: 'failed', reason: 'exit-code', exitCode: 7 });
    const done = await run([
      'run',
      '--requires',
      'cpus=>=2',
      '-e',
      'A=b',
      '--timeout',
      '90s',
      '--',
      'make',
      '--help',
      '-x',
    ]);
    expect(done).toEqual({ code: 7, stdout: 'out', stderr: 'err' });
    const sent = api.calls[0]?.body as { source: string; format: string };
    expect(JSON.parse(sent.source)).toEqual({
      name: 'make',
      tasks: [
        { ref: 'run', run: ['make', '--help', '-x'], requires: { cpus: '>=2' }, env: { A: 'b' }, timeout: '1m30s' },
      ],
    });
  });

  it.each([
    [{ state: 'succeeded', exitCode: 0 }, 0],
    [{ state: 'failed', reason: 'signal', signal: 'SIGKILL' }, 137],
    [{ state: 'timed-out', reason: 'timeout' }, 124],
    [{ state: 'failed', reason: 'verify-failed', exitCode: 0 }, 1],
    [{ state: 'poison' }, 1],
  ])('turns %j into exit code %i', async (task, code) => {
    api.on('spec.dispatch', () => accepted);
    events([{ type: 'end', spec: specView({ state: 'failed' }) }]);
    log([begin, end]);
    report(task);
    expect((await run(['run', '--', 'true'])).code).toBe(code);
  });

  it('cancels its task at the first Ctrl-C and waits for its end', async () => {
    api.on('spec.dispatch', () => accepted);
    api.on('spec.cancel', () => ({ id: SPEC_ID, state: 'cancelling', level: 1 }));
    let interrupt = () => {};
    api.on('task.log', ({ response }) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      interrupt();
      response.end(`${JSON.stringify(end)}\n`);
      return undefined;
    });
    events([{ type: 'end', spec: specView({ state: 'cancelled' }) }]);
    report({ state: 'cancelled' });
    const done = await run(['run', '--', 'sleep', '9'], {
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done.code).toBe(130);
    expect(api.of('spec.cancel')).toHaveLength(1);
  });

  it('cancels what it dispatched although Ctrl-C came before the answer', async () => {
    let interrupt = () => {};
    api.on('spec.dispatch', () => {
      interrupt();
      return accepted;
    });
    api.on('spec.cancel', () => ({ id: SPEC_ID, state: 'cancelling', level: 1 }));
    log([end]);
    events([{ type: 'end', spec: specView({ state: 'cancelled' }) }]);
    report({ state: 'cancelled' });
    const done = await run(['run', '--', 'sleep', '9'], {
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done.code).toBe(130);
    expect(api.of('spec.cancel')).toHaveLength(1);
    expect(done.stderr).toContain(`cancelling ${SPEC_ID}`);
  });

  it('tells what is wrong in terms of its flags, not of the file it makes of them', async () => {
    api.on('spec.dispatch', () => {
      const issues = [
        { path: '/tasks/0/requires/cpus', message: '">=" compares numbers, not "x"', line: 1, column: 72 },
        { path: '/tasks/0/workdir', message: 'must be an absolute path, not "rel"', line: 1, column: 90 },
      ];
      throw new BoiError('invalid-spec', 'line 1: /tasks/0/requires/cpus …', { issues });
    });
    const done = await run(['run', '--requires', 'cpus=>=x', '--workdir', 'rel', '--', 'true']);
    expect(done.code).toBe(2);
    expect(done.stderr).toBe(
      'boi-node: --requires cpus: ">=" compares numbers, not "x"; --workdir: must be an absolute path, not "rel"\n',
    );
  });

  it('leaves at a second Ctrl-C before the answer, and says that the command may run', async () => {
    let interrupt = () => {};
    api.on('spec.dispatch', ({ response }) => {
      interrupt();
      interrupt();
      response.destroy();
      return undefined;
    });
    const done = await run(['run', '--', 'sleep', '9'], {
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done.code).toBe(130);
    expect(done.stderr).toContain('the command may run');
  });
});

describe('lists and views', () => {
  it('line their columns up by what the eye sees, and escape what would move the cursor', async () => {
    api.on('node.list', () => ({
      items: [
        nodeView({ id: NODE_ID, name: '建設-1' }),
        nodeView({ id: `${NODE_ID.slice(0, -1)}e`, name: 'evil\u202Etxt' }),
        nodeView({ id: `${NODE_ID.slice(0, -1)}f`, name: 'b' }),
      ],
    }));
    const { stdout } = await run(['node', 'list']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((l) => l.trimEnd())).toEqual(lines);
    expect(lines.slice(1).map((l) => l.split(/ {2,}/)[0])).toEqual(['b', 'evil\\u{202e}txt', '建設-1']);
    // 建設 takes four cells with two characters.
    expect(lines[3]?.indexOf('nod_')).toBe((lines[1]?.indexOf('nod_') ?? 0) - 2);
  });

  it('answer in every format', async () => {
    api.on('spec.list', () => ({ items: [specView({ state: 'succeeded', endedAt: T0 + 61_000 })] }));
    expect((await run(['spec', 'list'])).stdout).toBe(
      `ID                              NAME     STATE      TASKS  FAILED  CREATED  TOOK\n${SPEC_ID}  nightly  succeeded    0/2       0  1m ago   1m1s\n`,
    );
    expect((await run(['spec', 'list', '-o', 'name'])).stdout).toBe(`${SPEC_ID}\n`);
    expect(JSON.parse((await run(['spec', 'list', '-o', 'json'])).stdout)).toMatchObject([{ id: SPEC_ID }]);
    expect((await run(['spec', 'list', '-o', 'yaml'])).stdout).toContain(`- id: ${SPEC_ID}\n  name: nightly\n`);
    expect((await run(['spec', 'list', '-o', 'wide'])).stdout).toContain('PROJECT');
  });

  it('tell of a task that is being stopped', async () => {
    api.on('spec.tasks', () => ({ items: [taskView({ state: 'running', cancelling: true })] }));
    expect((await run(['task', 'list', SPEC_ID])).stdout).toMatch(/^build .* running .* being cancelled$/m);
  });

  it('read all pages up to the limit', async () => {
    api.on('spec.tasks', ({ query }) => ({
      items: Array.from({ length: Number(query.limit) }, (_, i) => taskView({ index: i + 1 })),
      next: 'more',
    }));
    const { stdout, stderr } = await run(['task', 'list', 'nightly', '--limit', '1500', '-o', 'name']);
    expect(stdout.split('\n')).toHaveLength(1501);
    expect(api.calls.map((c) => c.query)).toEqual([{ limit: '1000' }, { limit: '500', after: 'more' }]);
    expect(stderr).toContain('there are more');
  });

  it('tell why a task is not running, with counts per constraint', async () => {
    const why = {
      summary: 'no node can run it',
      constraints: [
        { constraint: 'gpu exists', nodes: 2 },
        { constraint: 'cordoned', nodes: 1 },
      ],
    };
    api.on('task.show', () =>
      taskView({ state: 'waiting', why, moves: [{ at: T0, from: NODE_ID, why: 'drained' }], outputs: { a: '1' } }),
    );
    const { stdout } = await run(['task', 'show', 'nightly/build']);
    expect(api.calls[0]?.params).toMatchObject({ tsk: 'nightly/build' });
    expect(stdout).toContain(
      'no node can run it\n         gpu exists: not met by 2 nodes\n         1 node: cordoned\n',
    );
    expect(stdout).toContain(`1m ago: ${NODE_ID} → unassigned (drained)`);
    expect(stdout).toContain('a=1');
  });

  it('are shown again when they change, until Ctrl-C', async () => {
    let interrupt = () => {};
    api.on('cluster.show', ({ earlier }) => {
      if (earlier === 2) interrupt();
      return clusterView({ queued: earlier });
    });
    const done = await run(['cluster', 'status', '--watch', '-o', 'json'], {
      onListen: (fn) => {
        interrupt = fn;
      },
    });
    expect(done.code).toBe(0);
    expect(done.stdout.match(/"queued": \d/g)).toEqual(['"queued": 0', '"queued": 1']);
  });
});

describe('task tail', () => {
  it('gives the bytes of both streams through untouched', async () => {
    log([begin, data(0, 'stdout', '\x1b[31mred\x1b]0;title\x07\n'), data(20, 'stderr', 'err\n'), end]);
    const done = await run(['task', 'tail', TASK_ID, '--since-bytes', '1KiB', '--attempt', '2', '-f']);
    expect(done).toEqual({ code: 0, stdout: '\x1b[31mred\x1b]0;title\x07\n', stderr: 'err\n' });
    expect(api.calls[0]?.query).toEqual({ offset: '1024', attempt: '2', follow: 'true' });
  });

  it('takes out of it for a terminal what is not colour', async () => {
    log([begin, data(0, 'stdout', '\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b[2J\n'), end]);
    expect((await run(['task', 'tail', TASK_ID], { terminal: true })).stdout).toBe('\x1b[31mred\x1b[0m\n');
  });

  it('shows the last lines, with their times', async () => {
    log([begin, data(0, 'stdout', 'one\ntwo\nthree\n'), end]);
    const done = await run(['task', 'tail', TASK_ID, '--tail', '2', '--timestamps']);
    expect(done.stdout).toBe('2026-11-21T09:00:00.000Z two\n2026-11-21T09:00:00.000Z three\n');
  });

  /** A log as a node serves it; who follows it is given what is written later. */
  function served(text: string) {
    let follow: (write: (later: string) => void) => void;
    const followed = new Promise<(later: string) => void>((resolve) => {
      follow = resolve;
    });
    api.on('task.log', ({ query, response }) => {
      const from =
        query.tailBytes === undefined ? Number(query.offset ?? 0) : Math.max(0, text.length - Number(query.tailBytes));
      const send = (e: LogEvent) => response.write(`${JSON.stringify(e)}\n`);
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      response.flushHeaders();
      let begun = false;
      const give = (at: number, chunk: string) => {
        if (chunk === '') return;
        if (!begun) send({ ...begin, offset: at } as LogEvent);
        begun = true;
        send(data(at, 'stdout', chunk));
      };
      give(from, text.slice(from));
      if (query.follow !== 'true') {
        send({ type: 'end', complete: false, state: 'running' });
        response.end();
      } else {
        follow((chunk) => {
          give(text.length, chunk);
          send(end);
          response.end();
        });
      }
      return undefined;
    });
    return followed;
  }

  it('shows the last lines of a silent task at once, and then what follows, a line begun before included', async () => {
    const followed = served('one\ntwo\nthree\nfo');
    const stdout = new Captured(false);
    const shown = new Promise<void>((resolve) => {
      stdout.on('taken', () => stdout.text.includes('three') && resolve());
    });
    const running = run(['task', 'tail', TASK_ID, '-f', '--tail', '2'], { stdout });
    await shown;
    expect(stdout.text).toBe('two\nthree\n');
    (await followed)('ur\nfive\n');
    expect((await running).stdout).toBe('two\nthree\nfour\nfive\n');
  });

  it('announces each later attempt once', async () => {
    const second: LogEvent = { type: 'begin', attempt: 2, delivery: 1, node: NODE_ID, offset: 0 };
    const note: LogEvent = { type: 'note', text: 'the task went on as attempt 2' };
    log([begin, data(0, 'stdout', 'un'), note, second, data(0, 'stdout', 'done\n'), end]);
    const followed = await run(['task', 'tail', TASK_ID, '-f', '--timestamps']);
    expect(followed.stderr).toBe('-- the task went on as attempt 2\n');
    expect(followed.stdout.split('\n').map((line) => line.slice(25))).toEqual(['un', 'done', '']);
    log([second, end]);
    expect((await run(['task', 'tail', TASK_ID])).stderr).toBe(`-- attempt 2, delivery 1, on ${NODE_ID}\n`);
  });

  it('shows the last lines whole, however long they are', async () => {
    const lines = [1, 2, 3].map((n) => String(n).repeat(5_000));
    served(`${lines.join('\n')}\n`);
    expect((await run(['task', 'tail', TASK_ID, '--tail', '2'])).stdout).toBe(`${lines[1]}\n${lines[2]}\n`);
    expect((await run(['task', 'tail', TASK_ID, '--tail', '9'])).stdout).toBe(`${lines.join('\n')}\n`);
  });
});

describe('changes', () => {
  it('tries all that was named, prints what worked, and exits by the first refusal', async () => {
    api.on('spec.cancel', ({ params }) => {
      if (params.spc === 'gone') throw new BoiError('not-found', 'there is no spec "gone"');
      return { id: SPEC_ID, state: 'cancelling', level: 1 };
    });
    const done = await run(['spec', 'cancel', 'gone', 'nightly']);
    expect(done).toMatchObject({ code: 4, stdout: `${SPEC_ID}\n` });
    expect(done.stderr).toContain('there is no spec "gone"');
  });

  it('needs --force to kill', async () => {
    const done = await run(['task', 'kill', 'nightly/build']);
    expect(done.code).toBe(2);
    expect(api.calls).toEqual([]);
  });

  it('shows the progress of a drain until the node is drained', async () => {
    api.on('node.drain', () =>
      nodeView({ state: 'draining', running: 2, drain: { since: T0, deadlineAt: T0 + 690_000 } }),
    );
    api.on('node.show', () => nodeView({ state: 'drained', running: 0 }));
    const done = await run(['node', 'drain', 'build-1', '--deadline', '10m']);
    expect(done).toMatchObject({ code: 0, stdout: `${NODE_ID}\n` });
    expect(done.stderr).toContain('2 running, 0 queued; requeued in 10m\n');
    expect(api.calls[0]?.body).toEqual({ deadlineMs: 600_000 });
  });

  it('lists the candidates of an ambiguous name', async () => {
    api.on('spec.show', () => {
      throw new BoiError('ambiguous-name', 'several specs are called "nightly"', {
        details: { candidates: [{ id: SPEC_ID, name: 'nightly' }] },
      });
    });
    const done = await run(['spec', 'show', 'nightly']);
    expect(done.code).toBe(5);
    expect(done.stderr).toContain(`nightly (${SPEC_ID})`);
  });

  it('says what is wrong once', async () => {
    api.on('group.create', () => {
      throw new BoiError('reserved-identifier', 'name: "admins" is reserved', {
        issues: [{ path: '/name', message: '"admins" is reserved' }],
      });
    });
    expect(await run(['group', 'create', 'admins'])).toMatchObject({
      code: 5,
      stderr: 'boi-node: name: "admins" is reserved\n',
    });
  });

  it('tells specs of one name apart by their age, and says what shows their states', async () => {
    api.on('spec.show', () => {
      throw new BoiError('ambiguous-name', '2 specs are called "nightly": give the id', {
        details: { candidates: [SPEC_ID] },
      });
    });
    const done = await run(['spec', 'show', 'nightly'], { now: mintedAt(SPEC_ID as SpecId) + 125_000 });
    expect(done.stderr).toContain(`  ${SPEC_ID}, made 2m ago\n  \`boi-node spec list --name NAME\``);
  });
});

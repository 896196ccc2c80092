/** The command against real nodes: exit codes and streams of `run`, standard input, Ctrl-C, TERM of a node, and spec files that are refused. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import type { NodeProcess } from './support/node-process.ts';
import { taskProcesses } from './support/processes.ts';
import { until } from './support/until.ts';
import { Witness } from './support/witness.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
}, START_WITHIN_MS);
afterAll(() => cluster?.stop());
afterEach(async () => {
  await cluster.restore();
  expect(await cluster.findings()).toEqual([]);
});

const sh = (script: string) => ['run', '--', 'sh', '-c', script];
const idIn = (text: string) => /spc_[0-9a-z]{26}/.exec(text)?.[0];

describe('boi-node run', () => {
  test('keeps the streams of the command apart and answers its exit code', async () => {
    const [seven, ok, killed, late, missing] = await Promise.all([
      cluster.shell.run(sh('echo out; echo err >&2; exit 7')),
      cluster.shell.run(['run', '-e', 'WORD=said', '--', 'printenv', 'WORD']),
      cluster.shell.run(sh('kill -9 $$')),
      cluster.shell.run(['run', '--timeout', '500ms', '--', 'sleep', '60']),
      cluster.shell.run(['run', '--', '/does/not/exist']),
    ]);
    expect(seven).toMatchObject({ code: 7, stdout: 'out\n', stderr: expect.stringMatching(/^WARN [^\n]*\nerr\n$/) });
    expect(ok).toMatchObject({ code: 0, stdout: 'said\n' });
    // Nothing but that the node runs without identities.
    expect(ok.stderr).toMatch(/^WARN this node runs without identities[^\n]*\n$/);
    expect(killed).toMatchObject({ code: 137, stdout: '' });
    expect(late).toMatchObject({ code: 124, stdout: '', stderr: expect.stringContaining('timed out') });
    expect(missing).toMatchObject({ stdout: '', stderr: expect.stringContaining('/does/not/exist') });
    expect([1, 127]).toContain(missing.code);
  });

  test('streams every byte of a large output, in order', async () => {
    const { code, stdout } = await cluster.shell.run(['run', '--', 'seq', '1', '300000']);
    expect(code).toBe(0);
    expect(stdout).toBe(Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join(''));
  });

  test('is cancelled by Ctrl-C, and left by a second one', async () => {
    const gentle = cluster.shell.start(sh('trap "echo asked; exit 3" TERM; echo up; while :; do sleep 0.1; done'));
    await gentle.until('it runs', ({ stdout }) => stdout.includes('up\n'));
    gentle.interrupt();
    expect(await gentle.done).toMatchObject({ code: 130, stdout: 'up\nasked\n' });

    const deaf = cluster.shell.start(sh('trap "" TERM; echo up; while :; do sleep 0.1; done'));
    await deaf.until('it runs', ({ stdout }) => stdout.includes('up\n'));
    deaf.interrupt();
    await deaf.until('it says so', ({ stderr }) => stderr.includes('cancelling'));
    deaf.interrupt();
    const left = await deaf.done;
    expect(left).toMatchObject({ code: 130, stderr: expect.stringContaining('detached') });
    const spec = String(idIn(left.stderr));
    expect(await cluster.shell.run(['spec', 'cancel', spec])).toMatchObject({ code: 0 });
    expect(await cluster.ended(spec)).toMatchObject({ state: 'cancelled' });
    expect(taskProcesses().filter(({ command }) => command.includes('trap'))).toEqual([]);
  });
});

describe('spec dispatch', () => {
  test('reads standard input in each format and prints the id alone', async () => {
    const yaml = 'tasks:\n  - ref: a\n    run: echo from yaml\n';
    const toml = '[[tasks]]\nref = "a"\nrun = "echo from toml"\n';
    const json = '{"tasks":[{"ref":"a","run":"echo from json"}]}';
    for (const [source, word] of [
      [yaml, 'yaml'],
      [toml, 'toml'],
      [json, 'json'],
    ] as const) {
      const { code, stdout, stderr } = await cluster.shell.run(['spec', 'dispatch', '-', '--tail'], source);
      expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: expect.stringMatching(/^spc_[0-9a-z]{26}\n$/) });
      expect(stderr).toContain(`a | from ${word}`);
    }
  });

  test('is detached by Ctrl-C, and the work goes on', async () => {
    const witness = new Witness(join(cluster.dir, 'detached'));
    const flag = join(cluster.dir, 'detached-go');
    const spec = {
      tasks: [
        {
          ref: 'a',
          run: `${witness.says('begin')}; until [ -e ${flag} ]; do sleep 0.05; done; ${witness.says('end')}`,
        },
      ],
    };
    const waiting = cluster.shell.start(['spec', 'dispatch', '-', '--wait'], JSON.stringify(spec));
    await until('it runs', () => witness.lines('begin').length === 1);
    waiting.interrupt();
    const left = await waiting.done;
    const id = left.stdout.trim();
    expect(left).toMatchObject({ code: 130, stderr: expect.stringContaining(`boi-node spec cancel ${id}`) });
    const again = cluster.shell.start(['spec', 'wait', id]);
    writeFileSync(flag, '');
    expect(await again.done).toMatchObject({ code: 0 });
    expect(witness.lines('end')).toHaveLength(1);
  });

  test('with a key that was used before answers the same spec, and refuses another one', async () => {
    const words = ['spec', 'dispatch', '-', '--idempotency-key', 'night-1'];
    const first = await cluster.shell.run(words, 'tasks: [{ref: a, run: "true"}]');
    const same = await cluster.shell.run(words, 'tasks: [{ref: a, run: "true"}]');
    const other = await cluster.shell.run(words, 'tasks: [{ref: b, run: "true"}]');
    expect(first.code).toBe(0);
    expect(same).toMatchObject({ code: 0, stdout: first.stdout });
    expect(other).toMatchObject({ code: 5, stdout: '' });
  });
});

describe('a spec that is refused writes nothing', () => {
  const MISTAKES = 40;
  /** One mistake a task, of eight kinds; answers the lines they stand on. */
  function mistaken(): { source: string; lines: number[] } {
    const out = ['name: mistaken', 'tasks:'];
    const lines: number[] = [];
    const kinds: ((i: number) => readonly string[])[] = [
      (i) => [`  - ref: t${i}`, '    run: "true"', '    runn: oops'],
      (i) => [`  - ref: t${i}`, '    run: "true"', '    timeout: soon'],
      (i) => [`  - ref: t${i}`, '    run: "true"', `    needs: nobody-${i}`],
      (i) => [`  - ref: t${i}`, '    run: "true"', '    priority: 5000'],
      (i) => [`  - ref: t${i}`, '    run: "true"', '    slots: many'],
      (i) => [`  - ref: t${i}`, '    run: "true"', '    when: maybe'],
      (i) => [`  - ref: t${i}`, '    run: "true"', '    retries: -1'],
      (i) => [`  - ref: t${i}`, '    run: "true"', '    workdir: not/absolute'],
    ];
    for (let i = 0; i < MISTAKES; i++) {
      out.push(...(kinds[i % kinds.length] as (i: number) => readonly string[])(i));
      lines.push(out.length);
    }
    return { source: `${out.join('\n')}\n`, lines };
  }

  /** Once nothing writes any more: nodes tell their load up to a second after it changed. */
  async function settled(): Promise<string> {
    let last = { revision: '', at: 0 };
    return until('the store is quiet', async () => {
      const revision = (await cluster.client.call('cluster.show', {})).store?.revision ?? '';
      if (revision !== last.revision) last = { revision, at: performance.now() };
      return performance.now() - last.at > 2_500 && revision;
    });
  }

  test('one with 40 mistakes: each is told with its line and column, here and by the API', async () => {
    const { source, lines } = mistaken();
    const before = await settled();
    const { code, stdout, stderr } = await cluster.shell.run(['spec', 'dispatch', '-'], source);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const told = new Set([...stderr.matchAll(/^<stdin>:(\d+):(\d+): \S/gm)].map(([, line]) => Number(line)));
    expect(lines.filter((line) => !told.has(line))).toEqual([]);
    const answer = await fetch(`${cluster.urls[0]}/v1/projects/default/specs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ source, format: 'yaml' }),
    });
    const problem = (await answer.json()) as { code: string; issues: { line: number; column: number }[] };
    expect(answer.status).toBe(422);
    expect(problem.code).toBe('invalid-spec');
    const toldByApi = new Set(problem.issues.map(({ line }) => line));
    expect(lines.filter((line) => !toldByApi.has(line))).toEqual([]);
    expect(problem.issues.every(({ line, column }) => line > 0 && column > 0)).toBe(true);
    expect(await settled()).toBe(before);
  });

  test('one of 2 MB: its size is told, and everything else that is wrong with it', async () => {
    const { source, lines } = mistaken();
    const padded = `${source}${`# ${'x'.repeat(98)}\n`.repeat(20_000)}`;
    expect(padded.length).toBeGreaterThan(2_000_000);
    const before = await settled();
    const { code, stdout, stderr } = await cluster.shell.run(['spec', 'dispatch', '-'], padded);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/1 ?MiB|1,?048,?576/);
    const told = new Set([...stderr.matchAll(/^<stdin>:(\d+):(\d+): \S/gm)].map(([, line]) => Number(line)));
    expect(lines.filter((line) => !told.has(line))).toEqual([]);
    const answer = await fetch(`${cluster.urls[0]}/v1/projects/default/specs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ source: padded, format: 'yaml' }),
    });
    expect(answer.status).toBe(413);
    expect(await settled()).toBe(before);
  });
});

describe('TERM to a node', () => {
  test('drains it for a short while: its tasks finish elsewhere and count as drained, not as failed', async () => {
    const witness = new Witness(join(cluster.dir, 'drained'));
    const flag = join(cluster.dir, 'drained-go');
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'work',
          count: 4,
          grace: '200ms',
          run: `${witness.says('begin')}; until [ -e ${flag} ]; do sleep 0.05; done; ${witness.says('end')}`,
        },
      ],
    });
    await until('all run', () => witness.lines('begin').length === 4);
    const node = cluster.node((await cluster.tasks(spec))[0]?.node?.id);
    const moved = (await cluster.tasks(spec)).filter((task) => task.node?.id === node.id).length;
    node.signal('SIGTERM');
    expect(await node.exited()).toEqual({ code: 0, signal: null });
    await node.gone(0);
    await until('they begin elsewhere', () => witness.lines('begin').length === 4 + moved);
    writeFileSync(flag, '');
    expect(await cluster.ended(spec)).toMatchObject({ state: 'succeeded', counts: { succeeded: 4 } });
    expect(witness.lines('end')).toHaveLength(4);
    for (const task of await cluster.tasks(spec)) expect(task).toMatchObject({ attempt: 1, state: 'succeeded' });
  });

  test('twice ends it at once', async () => {
    const node = cluster.nodes[1] as NodeProcess;
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'work', requires: { at: node.name }, run: 'trap "" TERM; while :; do sleep 0.1; done', grace: '1m' },
      ],
    });
    await cluster.taskIn(`${spec}/work`, 'running');
    // An earlier life of this node may have said it before.
    const said = node.log.length;
    node.signal('SIGTERM');
    await until('it says how to stop it at once', () =>
      node.log.slice(said).some(({ msg }) => msg.includes('once more')),
    );
    node.signal('SIGTERM');
    expect(await node.exited()).toEqual({ code: 130, signal: null });
    await node.gone();
    await cluster.shell.ok(['spec', 'cancel', spec]);
    expect(await cluster.ended(spec)).toMatchObject({ state: 'cancelled' });
  });
});

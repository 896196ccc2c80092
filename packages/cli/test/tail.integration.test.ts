/** Output read from wherever it was written: offsets, tasks that move, nodes and readers that go away, and readers that are slow. */
import { writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import type { TaskView } from '@boi/core';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, START_WITHIN_MS } from './support/cluster.ts';
import { figure, mebibytes, seconds } from './support/figures.ts';
import type { NodeProcess } from './support/node-process.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start();
}, START_WITHIN_MS);
afterAll(() => cluster?.stop());
afterEach(async () => {
  await cluster.restore();
  expect(await cluster.findings()).toEqual([]);
});

let flags = 0;
function newFlag(): string {
  flags += 1;
  return join(cluster.dir, `flag-${flags}`);
}

const counted = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join('');

describe('task tail', () => {
  test('begins at any byte, whichever node is asked', async () => {
    const whole = counted(1, 60_000);
    const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'seq 1 60000' }] });
    await cluster.ended(spec);
    const task = await cluster.task(`${spec}/a`);
    const asked = await Promise.all(cluster.nodes.map((node) => cluster.shellOf(`asks-${node.name}`, node)));
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length + 10 }),
        fc.integer({ min: 0, max: asked.length - 1 }),
        async (since, by) => {
          const text = await asked[by]?.ok(['task', 'tail', task.id, '--since-bytes', String(since)]);
          expect(text).toBe(whole.slice(since));
        },
      ),
      {
        numRuns: 9,
        examples: [
          [0, 0],
          [whole.length, 1],
          [whole.length - 1, 2],
        ],
      },
    );
    expect(await cluster.shell.ok(['task', 'tail', task.id, '--tail', '3'])).toBe(counted(59_998, 60_000));
  });

  test('-f goes on with the next node when the one that ran the task is killed, and says so', async () => {
    const flag = newFlag();
    const spec = await cluster.dispatch({
      tasks: [
        { ref: 'a', run: `echo on $BOI_NODE_ID; seq 1 1000; until [ -e ${flag} ]; do sleep 0.05; done; echo done` },
      ],
    });
    const { id, node } = await cluster.taskIn(`${spec}/a`, 'running');
    const holder = cluster.node(node?.id);
    const [other] = cluster.others(holder) as [NodeProcess];
    const shell = await cluster.shellOf(`laptop-${flags}`, other);
    const tail = shell.start(['task', 'tail', '-f', id]);
    await tail.until('the first copy is read', ({ stdout }) => stdout.includes('\n1000\n'));
    await holder.kill();
    const moved = await cluster.taskThat(
      id,
      'runs elsewhere',
      (t) => t.state === 'running' && t.node?.id !== holder.id,
    );
    await tail.until('the second copy is read', ({ stdout }) => stdout.split('\n1000\n').length === 3);
    writeFileSync(flag, '');
    const { code, stdout, stderr } = await tail.done;
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`on ${holder.id}\n${counted(1, 1000)}on ${moved.node?.id}\n${counted(1, 1000)}done\n`);
    expect(stderr).toContain(String(moved.node?.id));
  });

  test('-f survives the restart of the node that has the task, of the node that is asked, and retries', async () => {
    const flag = newFlag();
    const [holder, asked, spare] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'a',
          requires: { at: holder.name },
          retries: { max: 1, backoff: '100ms' },
          run: `seq 1 2000; until [ -e ${flag} ]; do sleep 0.05; done; echo try $BOI_ATTEMPT; [ $BOI_ATTEMPT -eq 2 ]`,
        },
      ],
    });
    const { id } = await cluster.taskIn(`${spec}/a`, 'running');
    const shell = await cluster.shellOf(`laptop-${flags}`, asked, spare);
    const tail = shell.start(['task', 'tail', '-f', id]);
    await tail.until('it is read', ({ stdout }) => stdout.includes('\n2000\n'));
    await asked.kill();
    await tail.until('it notices', ({ stderr }) => stderr.includes('lost'));
    await holder.kill();
    await holder.start();
    await tail.until('the second copy is read', ({ stdout }) => stdout.split('\n2000\n').length === 3, 30_000);
    writeFileSync(flag, '');
    const { code, stdout, stderr } = await tail.done;
    expect(code, stderr).toBe(0);
    const copy = counted(1, 2000);
    expect(stdout).toBe(`${copy}${copy}try 1\n${copy}try 2\n`);
  });

  test('says which node has the output when that node is gone, and shows what the store kept', async () => {
    const [holder, asked] = cluster.nodes as [NodeProcess, NodeProcess];
    const spec = await cluster.dispatch({ tasks: [{ ref: 'a', requires: { at: holder.name }, run: 'echo kept' }] });
    await cluster.ended(spec);
    await holder.kill();
    const shell = await cluster.shellOf('laptop-gone', asked);
    const { stdout, stderr } = await shell.run(['task', 'tail', `${spec}/a`]);
    expect(`${stdout}${stderr}`).toContain('kept');
    expect(stderr).toMatch(new RegExp(`${holder.name}|${holder.id}`));
  });
});

describe('a reader that does not read', () => {
  test('slows neither the task nor makes a node grow; what it missed is there when it reads on', {
    timeout: 120_000,
  }, async () => {
    const bytes = 200_000_000;
    const [holder, asked] = cluster.nodes as [NodeProcess, NodeProcess];
    const flag = newFlag();
    const spec = await cluster.dispatch({
      tasks: [
        {
          ref: 'a',
          requires: { at: holder.name },
          run: `echo up; until [ -e ${flag} ]; do sleep 0.05; done; yes 0123456789abcdef | head -c ${bytes}`,
        },
      ],
    });
    const { id } = await cluster.taskIn(`${spec}/a`, 'running');
    // Warm: the first stream loads code on both sides.
    await cluster.shell.ok(['task', 'tail', id, '--tail', '1']);
    const body = await openLog(asked, id);
    const before = [holder.residentBytes, asked.residentBytes];
    const started = performance.now();
    writeFileSync(flag, '');
    await cluster.ended(spec, 90_000);
    figure('200 MB written by a task while its reader stands still', seconds(performance.now() - started));
    const during = [holder.residentBytes, asked.residentBytes];
    const readFrom = performance.now();
    const read = await readLog(body);
    const tookMs = performance.now() - readFrom;
    figure('200 MB relayed to the reader', `${seconds(tookMs)}, ${Math.round(bytes / 1e3 / tookMs)} MB/s`);
    const after = [holder.residentBytes, asked.residentBytes];
    [holder, asked].forEach((node, i) => {
      const [b, d, a] = [before[i], during[i], after[i]].map((n) => mebibytes(n as number));
      figure(
        `resident, ${i === 0 ? 'node of the task' : 'node that relays'}`,
        `${b} before, ${d} unread, ${a} read, peak ${mebibytes(node.peakResidentBytes)}`,
      );
    });
    expect(read).toEqual({ bytes: bytes + 3, gaps: 0, complete: true, state: 'succeeded' });
    // A third of the output, in either node, would mean that somebody keeps it.
    for (const i of [0, 1]) {
      expect((during[i] as number) - (before[i] as number)).toBeLessThan(bytes / 3);
      expect((after[i] as number) - (before[i] as number)).toBeLessThan(bytes / 2);
    }
    expect((await cluster.shell.json<TaskView>(['task', 'show', id])).state).toBe('succeeded');
  });
});

/** The log stream of a task, its head read and its body not. */
function openLog(node: NodeProcess, task: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(`${node.url}/v1/projects/default/tasks/${task}/log?follow=true`, resolve).on('error', reject);
  });
}

async function readLog(
  body: IncomingMessage,
): Promise<{ bytes: number; gaps: number; complete: boolean; state: string }> {
  let rest = '';
  let bytes = 0;
  let gaps = 0;
  let next = 0;
  let end = { complete: false, state: '' };
  for await (const chunk of body) {
    const lines = (rest + (chunk as Buffer).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') continue;
      const event = JSON.parse(line) as {
        type: string;
        offset: number;
        data: string;
        complete: boolean;
        state: string;
      };
      if (event.type === 'end') end = event;
      if (event.type === 'gap' || (event.type === 'data' && event.offset !== next)) gaps += 1;
      if (event.type !== 'data') continue;
      const length = Buffer.byteLength(event.data, 'base64');
      bytes += length;
      next = event.offset + length;
    }
  }
  return { bytes, gaps, complete: end.complete, state: end.state };
}

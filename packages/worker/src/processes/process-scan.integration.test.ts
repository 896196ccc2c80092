import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { processStartTicks } from '@boi/system';
import { afterEach, expect, test } from 'vitest';
import { ProcessScanner, signalProcess, type TreeRoot } from './process-scan.ts';

const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    process.kill(-(child.pid as number), 'SIGKILL');
    await once(child, 'exit');
  }
});

async function start(script: string, env: Record<string, string>): Promise<{ root: TreeRoot; pids: number[] }> {
  const child = spawn('/bin/sh', ['-c', script], { env: { PATH: process.env.PATH, ...env }, detached: true });
  children.push(child);
  const [text] = await once(child.stdout as NodeJS.ReadableStream, 'data');
  const pid = child.pid as number;
  const root = {
    pid,
    startTicks: processStartTicks(pid) as number,
    task: env.BOI_TASK_ID ?? '',
    fence: env.BOI_FENCE ?? '',
  };
  return { root, pids: [pid, ...String(text).trim().split(/\s+/).map(Number)].sort((a, b) => a - b) };
}

const membersOf = (root: TreeRoot) => {
  const members = new ProcessScanner().scan(0).membersOf(root);
  return members.map((m) => m.pid).sort((a, b) => a - b);
};

test('members are found by marker, by session when the environment is scrubbed, and by parent when both are', async () => {
  const marked = { BOI_TASK_ID: 'tsk_a', BOI_FENCE: '1' };
  const script = 'sleep 99 & a=$!; env -i sleep 99 & b=$!; setsid env -i sleep 99 & echo $a $b $!; wait';
  const { root, pids } = await start(script, marked);
  expect(membersOf(root)).toEqual(pids);
});

test('the same task under another fence, and a stranger with the reused number of the main process, are no members', async () => {
  const { root } = await start('echo $$; sleep 99', { BOI_TASK_ID: 'tsk_a', BOI_FENCE: '2' });
  expect(membersOf({ ...root, fence: '3', startTicks: root.startTicks - 1 })).toEqual([]);
});

test('trees of one data directory are found by the path of their outputs', async () => {
  const env = { BOI_TASK_ID: 'tsk_b', BOI_FENCE: '4', BOI_OUTPUT: '/data-ü/work/x.output' };
  const { root } = await start('echo $$; sleep 99', env);
  const snapshot = new ProcessScanner().scan(0);
  expect(snapshot.rootsUnder('/data-ü/work/')).toMatchObject([{ task: 'tsk_b', fence: '4' }]);
  expect(snapshot.rootsUnder('/data/work/')).toEqual([]);
  expect(snapshot.membersOf({ pid: 0, startTicks: 0, task: 'tsk_b', fence: '4' }).map((m) => m.pid)).toContain(
    root.pid,
  );
});

test('a signal is not sent to a process that started at another time', async () => {
  const { root } = await start('echo $$; sleep 99', { BOI_TASK_ID: 'tsk_c', BOI_FENCE: '5' });
  expect(signalProcess({ ...root, startTicks: root.startTicks + 1 }, 'SIGKILL')).toBe(false);
  expect(membersOf(root)).toContain(root.pid);
});

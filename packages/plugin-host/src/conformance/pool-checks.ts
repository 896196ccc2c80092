/** Pool: one start for each key, output without gap or repeat over any interruption, an end that is always told. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '@boi/core';
import type { PluginChannel } from '../channel.ts';
import {
  cancelTask,
  listTasks,
  type RunKey,
  releaseTask,
  spawnTask,
  type TaskEnd,
  tailTask,
} from '../clients/pool-client.ts';
import { type Bench, type Check, expect, expectFailure, until } from './kit.ts';

let fences = 0;

export const poolChecks: readonly Check[] = [
  {
    name: 'runs a task: its output by stream, its exit code, exactly its environment',
    run: async (bench) => {
      const channel = await bench.channel();
      const key = await start(bench, channel, 'echo out; echo err >&2; echo "$GREETING:$BOI_PLUGIN_SOCKET"; exit 7', {
        GREETING: 'hi',
      });
      const { end, stdout, stderr } = await follow(channel, key);
      expect(end.exitCode === 7, `exit code should be 7: ${JSON.stringify(end)}`);
      expect(stderr === 'err\n' && stdout === 'out\nhi:\n', `output was ${JSON.stringify({ stdout, stderr })}`);
      expect(Number(end.startedAtMs) > 0 && Number(end.endedAtMs) >= Number(end.startedAtMs), 'times should be told');
      await releaseTask(channel, key);
    },
  },
  {
    name: 'starts a task once however often it is asked, at once or one after the other, also after its end and a crash',
    run: async (bench) => {
      let channel = await bench.channel();
      const file = join(bench.directory, 'starts');
      const key = newKey(bench);
      const argv = ['/bin/sh', '-c', `echo x >> ${file}`];
      const spawn = () => spawnTask(channel, { ...key, argv, env: PATH, attempt: 1, workdir: bench.directory });
      const answers = await Promise.all(Array.from({ length: 5 }, spawn));
      expect(
        answers.filter((answer) => !answer.alreadySpawned).length === 1,
        'one call of five should be told that it started',
      );
      await follow(channel, key);
      expect((await spawn()).alreadySpawned, 'already_spawned should be told after the end');
      channel = await bench.crash();
      expect((await spawn()).alreadySpawned, 'already_spawned should be told after a crash');
      await sleep(bench.clock, 300);
      expect(readFileSync(file, 'utf8') === 'x\n', 'the task was started more than once');
      await releaseTask(channel, key);
    },
  },
  {
    name: 'takes a higher fence of the same task for a new run',
    run: async (bench) => {
      const channel = await bench.channel();
      const first = await start(bench, channel, 'echo one');
      const second = { taskId: first.taskId, fence: String(Number(first.fence) + 100_000) };
      await spawnTask(channel, { ...second, argv: ['/bin/sh', '-c', 'echo two'], env: PATH });
      expect((await follow(channel, second)).stdout === 'two\n', 'the second run should have its own output');
      for (const key of [first, second]) await releaseTask(channel, key);
    },
  },
  {
    name: 'refuses a task under a lower fence than it knows it by',
    run: async (bench) => {
      const channel = await bench.channel();
      const current = await start(bench, channel, 'sleep 3600');
      const stale = { taskId: current.taskId, fence: '7' };
      await expectFailure(spawnTask(channel, { ...stale, argv: ['/bin/true'], env: PATH }), 'refused');
      await releaseTask(channel, current);
    },
  },
  {
    name: 'tells by the tail that a task could not be started',
    run: async (bench) => {
      const channel = await bench.channel();
      const key = newKey(bench);
      await spawnTask(channel, { ...key, argv: ['/no/such/program'], env: {} });
      const { end } = await follow(channel, key);
      expect(end.startFailure !== undefined, `start_failure should be told: ${JSON.stringify(end)}`);
      await releaseTask(channel, key);
    },
  },
  {
    name: 'resumes a tail at any offset without a gap or a repeat, also after a crash',
    run: async (bench) => {
      let channel = await bench.channel();
      const key = await start(bench, channel, 'for i in 1 2 3 4 5 6 7 8 9; do echo "line $i"; sleep 0.1; done');
      const text = Array.from({ length: 9 }, (_, i) => `line ${i + 1}\n`).join('');
      let [read, parts] = ['', 0];
      while (read.length < text.length) {
        const leave = new AbortController();
        await tailTask(channel, key, {
          fromOffset: read.length,
          signal: leave.signal,
          onOutput: ({ data }) => {
            read += data.toString();
            if (++parts % 2 === 0) leave.abort();
            return true;
          },
        }).catch((error: unknown) => expect(leave.signal.aborted, String(error)));
        if (parts === 4) channel = await bench.crash();
      }
      expect(read === text, `read ${JSON.stringify(read)}`);
      const { end } = await follow(channel, key, 10);
      expect(end.exitCode === 0 && Number(end.endOffset) === text.length, `the end was ${JSON.stringify(end)}`);
      await releaseTask(channel, key);
    },
  },
  {
    name: 'cancels with TERM and a grace',
    run: async (bench) => {
      const channel = await bench.channel();
      const key = await start(bench, channel, 'trap "echo bye; exit 3" TERM; echo up; while :; do sleep 0.05; done');
      const ended = follow(channel, key, 0, async () => {
        expect((await cancelTask(channel, key, 20_000)).wasRunning, 'was_running should be told');
      });
      const { end, stdout } = await ended;
      expect(end.exitCode === 3 && stdout === 'up\nbye\n', `it ended with ${JSON.stringify(end)}`);
      await releaseTask(channel, key);
    },
  },
  {
    name: 'ends by force what ignores TERM: after the grace, or at the second cancel, children included',
    run: async (bench) => {
      const channel = await bench.channel();
      for (const [first, second] of [
        [200, undefined],
        [3_600_000, 3_600_000],
      ] as const) {
        // Known by what it does: its process id may be one of a world of its own.
        const file = join(bench.directory, `lives-${first}`);
        const child = `(trap "" TERM; while :; do echo x >> ${file}; sleep 0.02; done) &`;
        const key = await start(bench, channel, `trap "" TERM; ${child} echo up; wait; sleep 3600`);
        await until(bench, 'a line of the child', () => sizeOf(file) > 0);
        const { end } = await follow(channel, key, 0, async () => {
          await cancelTask(channel, key, first);
          if (second !== undefined) await cancelTask(channel, key, second);
        });
        expect(end.signal !== undefined || end.exitCode !== undefined, `the end was ${JSON.stringify(end)}`);
        const size = sizeOf(file);
        await sleep(bench.clock, 300);
        expect(sizeOf(file) === size, 'a child of the task lives on');
        await releaseTask(channel, key);
      }
    },
  },
  {
    name: 'takes calls about tasks that it does not know',
    run: async (bench) => {
      const channel = await bench.channel();
      const key = newKey(bench);
      expect(!(await cancelTask(channel, key, 0)).wasRunning, 'was_running should be false');
      await releaseTask(channel, key);
      await expectFailure(follow(channel, key), 'refused');
    },
  },
  {
    name: 'lists what runs and what was not released, and nothing else',
    run: async (bench) => {
      const channel = await bench.channel();
      const [running, ended] = [await start(bench, channel, 'sleep 3600'), await start(bench, channel, 'true')];
      await follow(channel, ended);
      const state = async ({ taskId }: RunKey) =>
        (await listTasks(channel)).find((task) => task.taskId === taskId)?.running;
      expect(
        (await state(running)) === true && (await state(ended)) === false,
        'one should run and one should have ended',
      );
      await Promise.all([releaseTask(channel, running), releaseTask(channel, ended)]);
      expect(
        (await state(running)) === undefined && (await state(ended)) === undefined,
        'released tasks should be gone',
      );
    },
  },
  {
    name: 'lets a slow reader be slow: 8 MB of output arrive whole',
    run: async (bench) => {
      const channel = await bench.channel();
      const key = await start(bench, channel, 'head -c 8000000 /dev/zero');
      let bytes = 0;
      await tailTask(channel, key, {
        fromOffset: 0,
        onOutput: async ({ data }) => {
          bytes += data.length;
          await sleep(bench.clock, 5);
          return true;
        },
      });
      expect(bytes === 8_000_000, `${bytes} bytes arrived`);
      await releaseTask(channel, key);
    },
  },
  {
    name: 'refuses calls without a task, a fence or a program',
    run: async (bench) => {
      const channel = await bench.channel();
      const key = newKey(bench);
      const argv = ['true'];
      for (const request of [
        { fence: key.fence, argv },
        { taskId: key.taskId, argv },
        { ...key, argv: [] },
      ])
        await expectFailure(spawnTask(channel, request), 'refused');
      await expectFailure(spawnTask(channel, { taskId: '../../escape', fence: '1', argv }), 'refused');
    },
  },
];

const PATH = { PATH: process.env.PATH ?? '/usr/bin:/bin' };

function newKey({ minter }: Bench): RunKey {
  return { taskId: minter.mint('spec').replace('spc', 'tsk'), fence: String(1_000 + ++fences) };
}

async function start(
  bench: Bench,
  channel: PluginChannel,
  script: string,
  env: Record<string, string> = {},
): Promise<RunKey> {
  const key = newKey(bench);
  const answer = await spawnTask(channel, {
    ...key,
    argv: ['/bin/sh', '-c', script],
    env: { ...PATH, ...env },
    attempt: 1,
    workdir: bench.directory,
  });
  expect(!answer.alreadySpawned, 'a new task should not be told as already spawned');
  return key;
}

/** To the end; `onFirst` is called once something was written. */
async function follow(
  channel: PluginChannel,
  key: RunKey,
  fromOffset = 0,
  onFirst?: () => Promise<void>,
): Promise<{ readonly end: TaskEnd; readonly stdout: string; readonly stderr: string }> {
  const text = { stdout: '', stderr: '' };
  let first = onFirst;
  const end = await tailTask(channel, key, {
    fromOffset,
    onOutput: async ({ stream, data }) => {
      text[stream] += data.toString();
      const act = first;
      first = undefined;
      await act?.();
      return true;
    },
  });
  return { end, ...text };
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { isProcessAlive, type ProcessIdentity, processStartTicks } from '@boi/system';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { assignment, type Bench, bench, bundle } from '../testing/runner-fixture.ts';

let workbench: Bench;
let program: string;
const daemons: ChildProcess[] = [];

beforeAll(async () => {
  workbench = await bench();
  program = join(workbench.base, 'daemon.mjs');
  await bundle(new URL('../testing/daemon.ts', import.meta.url), program);
});
afterEach(async () => {
  for (const child of daemons.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
afterAll(() => workbench.close());

interface Daemon {
  readonly child: ChildProcess;
  readonly guard: ProcessIdentity;
  say(order: object): void;
  hear(): Promise<Record<string, unknown>>;
}

async function daemon(name: string): Promise<Daemon> {
  const child = spawn(process.execPath, [program, join(workbench.base, name), workbench.guardProgram], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  daemons.push(child);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream }) as Interface;
  const iterator = lines[Symbol.asyncIterator]();
  const hear = async () => JSON.parse((await iterator.next()).value as string) as Record<string, unknown>;
  const { guard } = await hear();
  return {
    child,
    guard: identify(guard as number),
    say: (order) => child.stdin?.write(`${JSON.stringify(order)}\n`),
    hear,
  };
}

function identify(pid: number): ProcessIdentity {
  const startTicks = processStartTicks(pid);
  if (startTicks === undefined) throw new Error(`there is no process ${pid}`);
  return { pid, startTicks };
}

/** Pids a task prints as it starts. */
async function pids(from: Daemon, count: number): Promise<ProcessIdentity[]> {
  let text = '';
  while (text.trim().split(/\s+/).length < count || !text.endsWith('\n')) text += (await from.hear()).printed;
  return text
    .trim()
    .split(/\s+/)
    .map((pid) => identify(Number(pid)));
}

async function untilGone(processes: readonly ProcessIdentity[]): Promise<void> {
  // A process that is not our child tells nobody when it ends, so one can only look.
  while (processes.some(isProcessAlive)) await new Promise((resolve) => setTimeout(resolve, 10));
}

const FAMILY =
  'trap "" TERM; setsid sh -c \'trap "" TERM; echo $$; while :; do sleep 1; done\' & echo $$; wait; sleep 100';

test('when the daemon is killed with SIGKILL its tasks and all their descendants are killed at once', async () => {
  const killed = await daemon('killed');
  killed.say({ run: FAMILY });
  const processes = await pids(killed, 2);
  expect(processes.every(isProcessAlive)).toBe(true);
  killed.child.kill('SIGKILL');
  await untilGone([...processes, killed.guard]);
});

test('when daemon and guard are both killed, the next start kills what was left before it runs anything', async () => {
  const killed = await daemon('both');
  killed.say({ run: FAMILY });
  const processes = await pids(killed, 2);
  process.kill(killed.guard.pid, 'SIGSTOP');
  killed.child.kill('SIGKILL');
  await once(killed.child, 'exit');
  process.kill(killed.guard.pid, 'SIGKILL');
  await untilGone([killed.guard]);
  expect(processes.every(isProcessAlive)).toBe(true);
  const next = workbench.runner('both');
  // A zombie, where nobody reaps orphans, is as good as gone.
  const look = `cat /proc/${processes[0]?.pid}/status 2>/dev/null | grep "State:" | grep -v Z && exit 9; exit 0`;
  const report = await next.start(assignment(look)).done;
  expect(processes.some(isProcessAlive)).toBe(false);
  expect(report).toMatchObject({ outcome: 'succeeded' });
  expect(await readdir(join(workbench.base, 'both/work'))).toEqual([]);
});

test('the log of a task whose daemon died is readable, ended and not complete', async () => {
  const killed = await daemon('log');
  killed.say({ run: 'echo $$; sleep 1000' });
  const { task } = await (async () => {
    const heard = await killed.hear();
    return { task: heard.task as `tsk_${string}` };
  })();
  killed.child.kill('SIGKILL');
  await untilGone([killed.guard]);
  const { logs } = workbench.runner('log');
  const given = assignment('true');
  const spec = `spc_${task.slice(4, 26)}0000` as typeof given.spec;
  const place = { spec, task: task as typeof given.task, attempt: 1, delivery: 1 };
  expect(await logs.state(place)).toMatchObject({ ended: true, complete: false });
  expect((await logs.read({ ...place, offset: 0, limit: 100 })).bytes.toString()).toMatch(/^\d+\n$/);
});

test('a stopped daemon: exclusive tasks get TERM and KILL at the deadline, others run on', async () => {
  const stopped = await daemon('stopped');
  stopped.say({ run: FAMILY, exclusive: true });
  const exclusive = await pids(stopped, 2);
  stopped.say({ run: 'echo $$; sleep 1000' });
  const others = await pids(stopped, 1);
  stopped.say({ termInMs: 300, killInMs: 700 });
  expect(await stopped.hear()).toEqual({ deadline: true });
  stopped.child.kill('SIGSTOP');
  await untilGone(exclusive);
  expect(others.every(isProcessAlive)).toBe(true);
  stopped.child.kill('SIGKILL');
  await untilGone(others);
});

test('a deadline that passes while the daemon runs ends exclusive tasks as lost', async () => {
  const late = await daemon('late');
  late.say({ run: 'echo $$; while :; do sleep 0.05; done', exclusive: true });
  await pids(late, 1);
  late.say({ termInMs: 100, killInMs: 400 });
  expect(await late.hear()).toEqual({ deadline: true });
  expect(await late.hear()).toMatchObject({ report: { outcome: 'cancelled', reason: 'lost' } });
});

test('a guard that dies is replaced, and the new one knows what runs', async () => {
  const survivor = await daemon('survivor');
  survivor.say({ run: FAMILY });
  const processes = await pids(survivor, 2);
  process.kill(survivor.guard.pid, 'SIGKILL');
  await untilGone([survivor.guard]);
  expect(processes.every(isProcessAlive)).toBe(true);
  // The new guard is a child of the daemon; killing the daemon before it is there is the test above this one.
  let guard: number | undefined;
  while (guard === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    guard = guardOf(survivor.child.pid as number);
  }
  survivor.child.kill('SIGKILL');
  await untilGone(processes);
});

function guardOf(daemonPid: number): number | undefined {
  const children = readFileSync(`/proc/${daemonPid}/task/${daemonPid}/children`, 'utf8').trim().split(' ').map(Number);
  return children.find((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('guard-main'));
}

/** A stop that comes while a program is being started, which takes a moment. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { specOf } from '@boi/core';
import { createLogger, systemClock } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Guard } from '../guard/guard.ts';
import { LogStore } from '../logs/log-store.ts';
import { ProcessTable } from '../processes/process-table.ts';
import { TaskOutput } from '../task-output.ts';
import { assignment } from '../testing/runner-fixture.ts';
import { OnHost } from './on-host.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'boi-on-host-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

test('a stop before the program runs ends it as soon as it does, and nothing comes after it', async () => {
  const given = assignment('sleep 1000');
  const { task, attempt, delivery } = given;
  const logs = new LogStore({ dataDir, clock: systemClock });
  const output = new TaskOutput(logs, { spec: specOf(task), task, attempt, delivery });
  let started = 0;
  const host = new OnHost({
    assignment: given,
    clock: systemClock,
    output,
    onStart: () => {
      started += 1;
    },
    table: new ProcessTable(systemClock),
    guard: new Guard({
      clock: systemClock,
      logger: createLogger({ name: 'test', level: 'silent' }),
      workDir: dataDir,
      keptDir: dataDir,
    }),
    user: undefined,
    graceMs: 0,
  });
  const workspace = {
    dir: dataDir,
    outputPath: join(dataDir, 'output'),
    beside: String,
    made: [],
    remove: async () => undefined,
  };
  const running = host.run(['sleep 1000', 'sleep 2000'], workspace, { PATH: '/usr/bin:/bin' });
  host.stop(0);
  expect(started).toBe(0);
  expect((await running).exit).toEqual({ exitCode: undefined, signal: 'SIGKILL', heldOpen: false });
  expect(started).toBe(1);
  await output.close();
});

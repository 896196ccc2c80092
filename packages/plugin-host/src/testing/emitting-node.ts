/**
 * A node reduced to its events: supervises a recording plugin, tells it of events without end, and says on standard output which
 * are promised (`told ID`, `intended ID`). Its parent kills it when it likes and starts it again on the same directory.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@boi/system';
import { HooksHub } from '../hooks/hub.ts';
import { MemoryCrashLog } from '../supervise/crash-log.ts';
import { PluginSupervisor } from '../supervise/supervisor.ts';
import { someEvent } from './events.ts';

const [directory = '', pluginProgram = '', eventsMax = '1000000'] = process.argv.slice(2);
const marksFile = join(directory, 'mark');
const say = (line: string) => process.stdout.write(`${line}\n`);
const nodeId = 'nod_01jc0000000000000000000000' as ConstructorParameters<typeof PluginSupervisor>[1]['nodeId'];

const supervisor = new PluginSupervisor(
  {
    name: 'audit',
    kind: 'hooks',
    tier: 'audit',
    command: process.execPath,
    args: [pluginProgram, join(directory, 'out')],
  },
  {
    clock: systemClock,
    random: systemRandom,
    nodeId,
    hostVersion: '0',
    runtimeDir: join(directory, 'run'),
    crashLog: new MemoryCrashLog(),
    times: { restartDelayMs: 5, restartsMax: 1_000 },
    observer: {
      status: ({ pid }) => pid !== undefined && say(`plugin ${pid}`),
      line: (_, __, text) => process.stderr.write(`${text}\n`),
      crashed: () => undefined,
      problem: (_, message) => process.stderr.write(`${message}\n`),
    },
  },
);
const hub = new HooksHub([supervisor], {
  clock: systemClock,
  nodeId,
  directory: join(directory, 'hooks'),
  marks: {
    read: async () => {
      try {
        return Number(readFileSync(marksFile, 'utf8'));
      } catch {
        return 0;
      }
    },
    raise: async (_, sequence) => {
      // One character in one write: old or new, as the store's would be.
      writeFileSync(marksFile, String(sequence));
    },
  },
  settle: () => Promise.resolve({ outcome: 'unknown' }),
  onProblem: (_, message, error) => process.stderr.write(`${message} ${String(error)}\n`),
});

runAll(async () => {
  await supervisor.start();
  await hub.start();
  for (let i = 0; i < Number(eventsMax); i++) {
    const told = someEvent();
    await hub.tell([told]);
    say(`told ${told.id}`);
    const [intended, refused] = [someEvent(), someEvent()];
    const intents = await hub.intend([{ event: intended }, { event: refused }]);
    say(`intended ${intended.id}`);
    await Promise.all([intents[0]?.happened(), intents[1]?.didNotHappen()]);
    say(`refused ${refused.id}`);
  }
  while ((hub.stats[0]?.backlog ?? 0) > 0) await new Promise<void>((resolve) => systemClock.timer(5, resolve));
  await hub.stop();
  await supervisor.stop();
  say('done');
});

function runAll(work: () => Promise<void>): void {
  work().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  });
}

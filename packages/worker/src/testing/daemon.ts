/**
 * A daemon that only runs tasks: reads lines `{run, exclusive?, fence?}` and starts them, prints what became of them.
 * Tests kill or stop it.
 */
import { createInterface } from 'node:readline';
import { createLogger, systemClock } from '@boi/system';
import { ProcessRunner } from '../process-runner.ts';
import { assignment } from './runner-fixture.ts';

const [, , dataDir = '', guardProgram = ''] = process.argv;
const logger = createLogger({ name: 'test', level: 'silent' });
const runner = new ProcessRunner({ dataDir, clock: systemClock, logger, guardProgram });
await runner.open();
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
say({ guard: runner.guardPid });

interface Order {
  readonly run?: string;
  readonly exclusive?: boolean;
  readonly termInMs?: number;
  readonly killInMs?: number;
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const order = JSON.parse(line) as Order;
  if (order.termInMs !== undefined && order.killInMs !== undefined) {
    const now = systemClock.mono();
    runner.setDeadline({ termAtMs: now + order.termInMs, killAtMs: now + order.killInMs });
    say({ deadline: true });
    return;
  }
  const given = assignment(order.run ?? 'true', { definition: { exclusive: order.exclusive === true } });
  const running = runner.start(given);
  for await (const chunk of runner.logs.follow({ ...given, offset: 0, signal: new AbortController().signal })) {
    say({ task: given.task, printed: chunk.bytes.toString() });
  }
  say({ task: given.task, report: await running.done });
});

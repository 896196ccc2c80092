/** A pool or workspace plugin, as its first argument says, that writes to the file of its second on whose behalf it is called. */
import { appendFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Call, type pool, servePool, serveWorkspace } from '@boi/plugin-sdk';

const [kind, file = '/dev/null'] = process.argv.slice(2);

function called(method: string, { fence, epoch, correlation }: Call): void {
  appendFileSync(file, `${JSON.stringify({ method, fence, epoch, correlation })}\n`);
}

const info = { name: 'calls', version: '1' };
/** What was spawned and not released: each ends at once. */
const runs = new Map<string, pool.ListedTask>();

async function* ended(call: Call): AsyncIterable<pool.TailResponse> {
  called('Tail', call);
  yield { end: { exitCode: 0, endOffset: '0', startedAtMs: '1', endedAtMs: '2' } };
}

if (kind === 'workspace')
  serveWorkspace({
    ...info,
    prepare: (_, call) => {
      called('Prepare', call);
      return { path: dirname(file) };
    },
    cleanup: (_, call) => {
      called('Cleanup', call);
      return {};
    },
    list: () => [],
  });
else
  servePool({
    ...info,
    spawn: ({ taskId, fence }, call) => {
      called('Spawn', call);
      runs.set(taskId, { taskId, fence, running: false });
      return { handle: taskId };
    },
    tail: (_key, _offset, call) => ended(call),
    acknowledge: () => undefined,
    cancel: (_key, _grace, call) => {
      called('Cancel', call);
      return { wasRunning: false };
    },
    list: () => [...runs.values()],
    release: ({ taskId }, call) => {
      called('Release', call);
      runs.delete(taskId);
    },
  });

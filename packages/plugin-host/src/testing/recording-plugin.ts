/** A hooks plugin that writes what it gets to the file of its first argument, one line each, and misbehaves as the second says. */
import { openSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type EventKind, serveHooks } from '@boi/plugin-sdk';

const [path = '/dev/null', mode = 'well', kinds = ''] = process.argv.slice(2);
const file = openSync(path, 'a');

serveHooks({
  name: 'recording',
  version: '1',
  tier: mode === 'best-effort' ? 'best_effort' : 'audit',
  kinds: kinds === '' ? [] : (kinds.split(',') as EventKind[]),
  deliver: async (events) => {
    if (mode === 'never') await new Promise(() => undefined);
    if (mode === 'slow') {
      writeSync(file, `begin ${events[0]?.sequence} of\n`);
      await delay(500);
      writeSync(file, `end ${events[0]?.sequence} of\n`);
      return;
    }
    if (mode === 'fails') throw new Error('cannot take it');
    for (const { sequence, event } of events)
      writeSync(file, `${sequence} ${event.id} ${event.outcome ?? 'happened'}\n`);
  },
});

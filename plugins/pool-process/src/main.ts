#!/usr/bin/env node
/** `boi-pool-process --state DIR`: runs tasks as processes of this host that outlive the plugin and the daemon. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { servePool } from '@boi/plugin-sdk';
import { runTask } from './keeper.ts';
import { Runs } from './runs.ts';

const { values, positionals } = parseArgs({ options: { state: { type: 'string' } }, allowPositionals: true });
const [command, folder] = positionals;
if (command === 'keep' && folder !== undefined) runTask(folder);
else if (values.state !== undefined) servePool(new Runs(join(values.state), process.argv[1] as string));
else {
  process.stderr.write('pool-process: name the directory of the runs with --state DIR\n');
  process.exitCode = 2;
}

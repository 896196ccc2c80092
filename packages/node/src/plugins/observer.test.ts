import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PluginError } from '@boi/plugin-host';
import { createLogger } from '@boi/system';
import { expect, it, onTestFinished } from 'vitest';
import { PluginHealth } from './health.ts';
import { observePlugins } from './observer.ts';
import { PluginLog } from './plugin-log.ts';

it('what goes wrong between node and plugin is in the log of the plugin, without the tokens it was given', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'boi-observer-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'audit.log');
  const pluginLog = new PluginLog({ path, now: () => 0, onProblem: (error) => expect.fail(String(error)) });
  const nothing = () => undefined;
  const observer = observePlugins({
    log: createLogger({ name: 'test', level: 'silent' }),
    metrics: { count: nothing, gauge: nothing, observe: nothing },
    mask: (_, text) => text.replaceAll('t0ken', '[join token]'),
    tell: nothing,
    health: new PluginHealth(['audit']),
    logs: new Map([['audit', pluginLog]]),
  });
  const error = new PluginError('audit', 'timed-out', 'event 7 is not acknowledged t0ken');
  observer.problem('audit', 'delivery broke off and is tried again', error);
  observer.problem('audit', 'it speaks minor 7');
  observer.status({ plugin: 'audit', kind: 'hooks', state: 'waiting', since: 0, crashes: 1, error });
  await pluginLog.close();
  const why = 'plugin audit: it did not answer in time: event 7 is not acknowledged [join token]';
  expect((await readFile(path, 'utf8')).split('\n').map((line) => line.slice(25))).toEqual([
    `boi delivery broke off and is tried again: ${why}`,
    'boi it speaks minor 7',
    `boi is waiting: ${why}`,
    '',
  ]);
});

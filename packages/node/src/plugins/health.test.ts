import type { Ailment } from '@boi/cluster';
import { PluginError, type PluginFailure, type PluginState } from '@boi/plugin-host';
import { expect, test } from 'vitest';
import { PluginHealth } from './health.ts';

function watched(...names: string[]) {
  const told: (readonly Ailment[])[] = [];
  const health = new PluginHealth(names);
  health.attach((ailments) => told.push(ailments));
  const is = (plugin: string, state: PluginState, reason?: PluginFailure) =>
    health.status({
      plugin,
      kind: 'hooks',
      state,
      since: 0,
      crashes: 0,
      ...(reason === undefined ? {} : { error: new PluginError(plugin, reason, 'said: hunter2') }),
    });
  return { told, is };
}

const reasons = (told: readonly (readonly Ailment[])[]) => told.map((all) => all.map(({ reason }) => reason));

test('a node without plugins is well at once', () => {
  expect(watched().told).toEqual([[]]);
});

test('nothing is told before there is a verdict on every plugin', () => {
  const { told, is } = watched('a', 'b');
  is('a', 'unstable', 'crashed');
  expect(told).toEqual([]);
  is('b', 'starting');
  expect(told).toHaveLength(1);
  expect(told[0]).toEqual([
    {
      about: 'plugin a',
      reason: 'plugin-unstable',
      what: 'plugin a is unstable: its process ended',
      closes: true,
    },
  ]);
});

test('a crash ails until the plugin is ready again, not only until it is started again', () => {
  const { told, is } = watched('a');
  is('a', 'starting');
  is('a', 'ready');
  is('a', 'waiting', 'crashed');
  is('a', 'starting');
  expect(reasons(told)).toEqual([[], ['plugin-not-ready']]);
  is('a', 'ready');
  expect(reasons(told).at(-1)).toEqual([]);
});

test('an operator’s restart of an unstable plugin opens the node once it is ready', () => {
  const { told, is } = watched('a');
  is('a', 'unstable', 'crashed');
  is('a', 'stopped');
  is('a', 'starting');
  expect(told.at(-1)?.[0]?.closes).toBe(true);
  is('a', 'ready');
  expect(told.at(-1)).toEqual([]);
});

test('only an unstable plugin closes the node', () => {
  const { told, is } = watched('a', 'b');
  is('a', 'refused', 'wrong-contract');
  is('b', 'waiting', 'not-ready');
  expect(told.at(-1)?.map(({ reason, closes }) => [reason, closes])).toEqual([
    ['plugin-refused', false],
    ['plugin-not-ready', false],
  ]);
});

test('what a plugin said is never told on', () => {
  const { told, is } = watched('a');
  is('a', 'waiting', 'garbage');
  expect(JSON.stringify(told)).not.toContain('hunter2');
});

/** No kind of event is there in name only: each is emitted in simulation, its payload checked at once, or where it says here. */
import { EVENT_KINDS, type EventKind } from '@boi/core';
import { expect, test } from 'vitest';
import { simulate } from './simulation.ts';

const SEEDS = 60;

/** What the simulated part of a node has no hand in. */
const ELSEWHERE: readonly EventKind[] = [
  // The daemon, of its plugins: packages/node/src/plugins.
  'plugin.crashed',
  'plugin.unstable',
  'provision.token_leak_suspected',
  // packages/cluster/src/identity/rotate.test.ts.
  'cluster.ca_rotated',
  // Export and import of projects are not there yet.
  'checkpoint.exported',
  'checkpoint.imported',
];

test('every kind of event that the protocol emits is emitted', async () => {
  const missing = new Set<string>(EVENT_KINDS.filter((kind) => !ELSEWHERE.includes(kind)));
  for (let seed = 1; seed <= SEEDS && missing.size > 0; seed++) {
    const { violations } = await simulate({ seed, timeline: (line) => missing.delete(line.split(' ').at(-1) ?? '') });
    expect(violations).toEqual([]);
  }
  expect([...missing]).toEqual([]);
}, 300_000);

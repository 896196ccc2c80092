import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import type { router } from '@boi/plugin-sdk';
import { describe, expect, test } from 'vitest';
import { Spread } from './spread.ts';

const nodes = ['a', 'b', 'c', 'd'].map((nodeId, i) => ({
  nodeId,
  slots: 8,
  busy: 0,
  queued: 0,
  capabilities: { zone: i < 2 ? 'east' : 'west' } as Record<string, string>,
}));
const ask = (spread: Spread, count: number, more: object = {}, candidates = nodes) => {
  const tasks = Array.from({ length: count }, (_, i) => ({
    taskId: `t${i}`,
    specId: 's',
    eligible: [0, 1, 2, 3],
    failedNodeIds: [],
    ...more,
  }));
  return spread.hint({ tasks, candidates } as unknown as router.HintRequest__Output).map((hint) => {
    const best = [...(hint.nodes ?? [])].sort((x, y) => Number(y.preference) - Number(x.preference))[0];
    return best?.nodeId as string;
  });
};
const counted = (names: readonly string[]) => names.map((name) => names.filter((other) => other === name).length);

describe('router-spread', () => {
  test('conforms', async () => {
    const program = await bundleProgram(join(import.meta.dirname, 'main.ts'));
    const results = await runConformance({ plugin: { kind: 'router', command: process.execPath, args: [program] } });
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
  });

  test('advises each of four nodes for each fourth task of a spec', () => {
    expect(counted(ask(new Spread(), 8))).toEqual(Array(8).fill(2));
  });

  test('spreads over the values of a label', () => {
    const advised = ask(new Spread('zone'), 6);
    expect(advised.filter((node) => 'ab'.includes(node))).toHaveLength(3);
  });

  test('prefers who has room, and avoids where an earlier attempt failed', () => {
    const busy = nodes.map((node) => (node.nodeId === 'a' ? { ...node, busy: 8 } : node));
    expect(ask(new Spread(), 1, {}, busy)).not.toEqual(['a']);
    expect(ask(new Spread(), 1, { failedNodeIds: ['a', 'b', 'c'] })).toEqual(['d']);
  });
});

import { specOf, type TaskId } from '@boi/core';
import { expect, test } from 'vitest';
import { simulate } from './simulation.ts';
import { Names } from './tell.ts';

const TASK = 'tsk_01hf7yasb2nj270yq4r6wg0003' as TaskId;

test('ids are told as numbers, in the order in which they come; a task as one of its spec', () => {
  const names = new Names();
  names.name('nod_01hf7yasb2nj270yq4r6wgtyqy', 'node-7');
  const text = `${TASK} of ${specOf(TASK)} is on nod_01hf7yasb2nj270yq4r6wgtyqy and not on nod_01hf7yasb2nj270yq4r6wgtyqz`;
  expect(names.replace(text)).toBe('spec-1/3 of spec-1 is on node-7 and not on node-2');
});

test('a timeline tells what every event of the store means, and names nobody by id', async () => {
  const lines: string[] = [];
  await simulate({ seed: 12, steps: 12, tasks: 20, timeline: (line) => lines.push(line) });
  const all = lines.join('\n');
  for (const what of [
    /node-1 is live/,
    /spec-1 is active/,
    /spec-1\/1 is claimed/,
    /spec-1\/1 \w+ in attempt/,
    /step 2: /,
  ])
    expect(all).toMatch(what);
  expect(all).not.toMatch(/(nod|spc|tsk)_[0-9a-z]{26}/);
}, 60_000);

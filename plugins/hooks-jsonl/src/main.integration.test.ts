import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import type { SequencedEvent } from '@boi/plugin-sdk';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EventFile } from './event-file.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-jsonl-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const event = (n: number) =>
  ({ sequence: n, event: { id: `evt_${n}`, kind: 'cluster.paused', payload: {} } }) as unknown as SequencedEvent;
const linesOf = async (path: string) =>
  (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { sequence: number }).sequence);

describe('hooks-jsonl', () => {
  test('conforms, and has each event once though some were delivered twice', async () => {
    const program = await bundleProgram(join(import.meta.dirname, 'main.ts'));
    const file = join(directory, 'kit.jsonl');
    const plugin = { kind: 'hooks' as const, command: process.execPath, args: [program, '--file', file] };
    const results = await runConformance({ plugin });
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
    const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id);
    expect(ids.length).toBeGreaterThan(1_800);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('cuts off a half line that a crash left, and recognizes over a restart what it has', async () => {
    const path = join(directory, 'torn.jsonl');
    const before = await EventFile.open(path);
    await before.append([event(1), event(2)]);
    await before.close();
    await appendFile(path, '{"sequence":3,"id":"evt');
    const after = await EventFile.open(path);
    await after.append([event(2), event(3)]);
    await after.close();
    expect(await linesOf(path)).toEqual([1, 2, 3]);
  });
});

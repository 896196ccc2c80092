import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeFrame, readFrames } from './frames.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-pool-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('pool-process', () => {
  test('conforms', async () => {
    const program = await bundleProgram(join(import.meta.dirname, 'main.ts'));
    const args = [program, '--state', join(directory, 'state')];
    const results = await runConformance({ plugin: { kind: 'pool', command: process.execPath, args } });
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
  });

  test('reads whole frames only, whatever part of the file is there yet', async () => {
    let files = 0;
    const frame = fc.tuple(fc.constantFrom(1 as const, 2 as const), fc.uint8Array({ minLength: 1, maxLength: 40 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (written, part) => {
          const path = join(directory, `frames-${files++}`);
          const bytes = Buffer.concat(written.map(([stream, data]) => encodeFrame(stream, Buffer.from(data))));
          const cut = Math.floor(bytes.length * part);
          appendFileSync(path, bytes.subarray(0, cut));
          const first = await readFrames(path, 0);
          appendFileSync(path, bytes.subarray(cut));
          const second = await readFrames(path, first.next);
          const read = [...first.frames, ...second.frames].map(({ stream, data }) => [stream, Uint8Array.from(data)]);
          expect(read).toEqual(written);
        },
      ),
      { numRuns: 50 },
    );
  });
});

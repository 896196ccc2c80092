import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ResultBuffer } from './result-buffer.ts';

interface Result {
  readonly task: string;
  readonly fence: string;
  readonly report: string;
}

let dir: string;
let path: string;
let evicted: Result[];
let problems: string[];
const opened: ResultBuffer<Result>[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-buffer-'));
  path = join(dir, 'results');
  evicted = [];
  problems = [];
});
afterEach(async () => {
  for (const buffer of opened.splice(0)) await buffer.close();
  await rm(dir, { recursive: true });
});

/** As a daemon that starts: what came before was not closed, the file is what there is. */
async function open(bytesMax?: number): Promise<ResultBuffer<Result>> {
  const buffer = new ResultBuffer<Result>({
    path,
    onEvict: (record) => evicted.push(record),
    onProblem: (message) => problems.push(message),
    ...(bytesMax === undefined ? {} : { bytesMax }),
  });
  await buffer.open();
  opened.push(buffer);
  return buffer;
}

const result = (n: number, report = 'r'): Result => ({ task: `tsk_${n}`, fence: String(n), report });

test('results survive a restart in the order they came, removed ones do not', async () => {
  const first = await open();
  await Promise.all([1, 2, 3, 4].map((n) => first.append(result(n))));
  await first.remove('tsk_2', '2');
  const second = await open();
  expect(await second.all()).toEqual([result(1), result(3), result(4)]);
  expect(second.size.records).toBe(3);
  expect(problems).toEqual([]);
});

test('the same task and fence again replaces, another fence does not', async () => {
  const buffer = await open();
  await buffer.append(result(1, 'old'));
  await buffer.append(result(1, 'new'));
  await buffer.append({ ...result(1), fence: '9' });
  expect(await (await open()).all()).toEqual([result(1, 'new'), { ...result(1), fence: '9' }]);
});

test('beyond the limit the oldest are given up, each is told, and a restart does not bring them back', async () => {
  const buffer = await open(1_000);
  for (let n = 1; n <= 10; n++) await buffer.append(result(n, 'x'.repeat(200)));
  const left = (await buffer.all()).map((r) => r.task);
  expect([...evicted.map((r) => r.task), ...left]).toEqual(Array.from({ length: 10 }, (_, i) => `tsk_${i + 1}`));
  expect(buffer.size.bytes).toBeLessThanOrEqual(1_000);
  expect((await (await open(1_000)).all()).map((r) => r.task)).toEqual(left);
});

test('a last line torn at any byte costs that line only, and is reported', async () => {
  const buffer = await open();
  await buffer.append(result(1));
  const whole = (await readFile(path)).length;
  await buffer.append(result(2));
  const both = await readFile(path);
  for (let bytes = whole + 1; bytes < both.length; bytes += 7) {
    await writeFile(path, both);
    await truncate(path, bytes);
    problems = [];
    expect(await (await open()).all()).toEqual([result(1)]);
    expect(problems).toEqual([expect.stringContaining('torn')]);
  }
});

test('a damaged line in the middle is skipped, reported, and the file kept for a person', async () => {
  const buffer = await open();
  for (const n of [1, 2, 3]) await buffer.append(result(n));
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('tsk_2', 'tsk_5'));
  expect(await (await open()).all()).toEqual([result(1), result(3)]);
  expect(problems).toEqual([expect.stringContaining('1 damaged')]);
  expect((await readdir(dir)).sort()).toEqual(['results', 'results.damaged']);
});

test('the file does not grow with what was removed', async () => {
  const buffer = await open();
  for (let n = 1; n <= 30; n++) {
    await buffer.append(result(n, 'x'.repeat(100_000)));
    await buffer.remove(`tsk_${n}`, String(n));
  }
  expect((await readFile(path)).length).toBeLessThan(1_400_000);
  expect(await (await open()).all()).toEqual([]);
});

test('when the directory is gone results are kept in memory and reported, and on disk again once it is back', async () => {
  const buffer = await open();
  await buffer.append(result(1, 'x'.repeat(2_000_000)));
  await rm(dir, { recursive: true });
  await buffer.remove('tsk_1', '1'); // Now most of the file is dead: the next write makes it anew.
  await buffer.append(result(2));
  expect(problems.length).toBeGreaterThan(0);
  expect(await buffer.all()).toEqual([result(2)]);
  await writeFile(await mkdtempAt(dir), '');
  await buffer.append(result(3));
  expect(await (await open()).all()).toEqual([result(2), result(3)]);
});

async function mkdtempAt(path: string): Promise<string> {
  const { mkdir } = await import('node:fs/promises');
  await mkdir(path, { recursive: true });
  return join(path, 'marker');
}

import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { treeKey } from '../processes/process-scan.ts';
import { assignment } from '../testing/runner-fixture.ts';
import { KeptClaim, type KeptFacts, markSecrets } from './kept-claim.ts';
import { keptKeys } from './kept-keys.ts';

let base: string;
let dir: string;
let problems: string[];
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'boi-kept-'));
  dir = join(base, 'pooled');
  problems = [];
});
afterEach(() => rm(base, { recursive: true }));

const onProblem = (error: Error) => void problems.push(error.message);
const facts = (change: Partial<KeptFacts> = {}): KeptFacts => ({
  assignment: assignment('true', { nonce: 'n1' }),
  plugin: 'it',
  from: 5,
  secrets: markSecrets({}),
  ...change,
});
const again = () => KeptClaim.readAll(dir, onProblem);

async function create(given: KeptFacts): Promise<KeptClaim> {
  const kept = await KeptClaim.create(dir, given, { taken: 0, logBytes: 3 }, onProblem);
  if (kept === undefined) throw new Error(problems.join());
  return kept;
}

test('what is kept is what another life finds, the newest of it, and nobody else may read it', async () => {
  const given = facts();
  const kept = await create(given);
  expect((await again()).map((one) => [one.facts, one.place])).toEqual([[given, { taken: 0, logBytes: 3 }]]);
  void kept.keepPlace({ taken: 10, logBytes: 8 });
  void kept.set({ startedAt: 7 });
  void kept.keepPlace({ taken: Number.MAX_SAFE_INTEGER, logBytes: 1_000 });
  await kept.set({ end: { exitCode: 3 } });
  const [found] = await again();
  expect(found?.facts).toEqual({ ...given, startedAt: 7, end: { exitCode: 3 } });
  expect(found?.place).toEqual({ taken: Number.MAX_SAFE_INTEGER, logBytes: 1_000 });
  for (const name of await readdir(dir)) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
  await kept.close();
});

test('a place is written over in place, shorter or longer', async () => {
  const kept = await create(facts());
  for (const taken of [999_999, 1, 123]) {
    await kept.keepPlace({ taken, logBytes: taken });
    expect((await again())[0]?.place).toEqual({ taken, logBytes: taken });
  }
  await kept.close();
});

test('the guard sees whose claims are kept, and no other', async () => {
  expect(keptKeys(dir)).toEqual(new Set());
  const [one, two] = [facts(), facts()];
  await (await create(one)).close();
  const second = await create(two);
  const key = ({ assignment: { task, fence } }: KeptFacts) => treeKey(task, fence);
  expect(keptKeys(dir)).toEqual(new Set([key(one), key(two)]));
  await second.forget();
  expect(keptKeys(dir)).toEqual(new Set([key(one)]));
});

test('of what is over nothing stays, whatever is written afterwards', async () => {
  const kept = await create(facts());
  await kept.forget();
  await Promise.all([kept.set({ startedAt: 1 }), kept.keepPlace({ taken: 1, logBytes: 1 }), kept.forget()]);
  expect(await readdir(dir)).toEqual([]);
  expect(problems).toEqual([]);
});

test('what a crash of the host has torn, and what a later version wrote, is no claim, and is removed', async () => {
  await (await create(facts())).close();
  for (const tear of [
    (path: string) => truncate(`${path}.at`, 20),
    (path: string) => truncate(`${path}.json`, 20),
    (path: string) => rm(`${path}.at`),
    async (path: string) =>
      writeFile(`${path}.json`, (await readFile(`${path}.json`, 'utf8')).replace('"v":1', '"v":2')),
  ]) {
    const torn = facts();
    await (await create(torn)).close();
    await tear(join(dir, `${torn.assignment.task}.${torn.assignment.fence}`));
    expect(await again()).toHaveLength(1);
    expect(await readdir(dir)).toHaveLength(2);
    expect(problems.splice(0)).toHaveLength(1);
  }
});

test('a disk that refuses ends the keeping, and is told', async () => {
  await writeFile(dir, '');
  expect(await KeptClaim.create(dir, facts(), { taken: 0, logBytes: 0 }, onProblem)).toBeUndefined();
  expect(problems).toHaveLength(1);
  expect(keptKeys(dir)).toEqual(new Set());
});

test('secrets are known again without being told', () => {
  const mark = markSecrets({ A: 'one', B: 'two' });
  expect(markSecrets({ B: 'two', A: 'one' }, mark.salt)).toEqual(mark);
  expect(markSecrets({ A: 'two', B: 'one' }, mark.salt)).not.toEqual(mark);
  expect(markSecrets({ A: 'one', B: 'two' })).not.toEqual(mark);
  expect(JSON.stringify(mark)).not.toMatch(/one|two/);
});

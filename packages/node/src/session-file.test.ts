import { cp, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SessionFile } from './session-file.ts';

let base: string;
let dir: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'boi-session-'));
  dir = base;
});
afterEach(() => rm(base, { recursive: true }));

test('the next daemon on the directory reads the session that was noted last', async () => {
  expect(await new SessionFile(dir).read()).toBeUndefined();
  await new SessionFile(dir).write('17');
  await new SessionFile(dir).write('99');
  expect(await new SessionFile(dir).read()).toBe('99');
  expect((await stat(join(dir, 'session.json'))).mode & 0o777).toBe(0o600);
});

test('a copy of the directory, another boot, and a file that is damaged tell nothing', async () => {
  await new SessionFile(dir).write('17');
  const copy = join(base, 'copy');
  await cp(join(dir, 'session.json'), join(copy, 'session.json'));
  expect(await new SessionFile(copy).read()).toBeUndefined();
  const { dev, ino } = await stat(dir);
  for (const text of [`{"epoch":"17","place":"another-boot ${dev} ${ino}"}`, '{"epoch":"17"}', '{"epo', '']) {
    await writeFile(join(dir, 'session.json'), text);
    expect(await new SessionFile(dir).read()).toBeUndefined();
  }
});

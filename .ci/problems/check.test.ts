/** The check at the end of `make test` can fail, and says for which code. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERROR_CODES } from '@boi/core/errors';
import { afterEach, beforeEach, expect, test } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'boi-seen-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const all = Object.keys(ERROR_CODES);

function check(codes: readonly string[], ...words: readonly string[]) {
  codes.forEach((code, i) => {
    writeFileSync(join(folder, String(i % 3)), `${i % 2 === 0 ? 'made' : 'problem'} ${code}\n`, { flag: 'a' });
  });
  const done = spawnSync(process.execPath, [join(import.meta.dirname, 'check.js'), folder, ...words], {
    encoding: 'utf8',
  });
  return { code: done.status, stderr: done.stderr.split('\n').filter((line) => line.startsWith('error code')) };
}

test('passes when every code was seen', () => {
  expect(check(all)).toEqual({ code: 0, stderr: [] });
});

test('names each code that no test has seen', () => {
  const { code, stderr } = check(all.filter((one) => one !== 'conflict' && one !== 'too-large'));
  expect(code).toBe(1);
  expect(stderr).toEqual([
    'error code `conflict` is in packages/core/src/errors.ts, and no test has seen it',
    'error code `too-large` is in packages/core/src/errors.ts, and no test has seen it',
  ]);
});

test('names each code that is not in the table, also after a part of the tests', () => {
  const { code, stderr } = check(['conflict', 'made-up'], '--partial');
  expect(code).toBe(1);
  expect(stderr).toEqual(['error code `made-up` was seen, and is not in packages/core/src/errors.ts']);
});

test('does not ask a part of the tests for all codes', () => {
  expect(check(['conflict'], '--partial')).toEqual({ code: 0, stderr: [] });
});

import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCredential, writeCredential } from './credential-file.ts';
import { codeOf } from './testing/rig.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'boi-credential-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a credential file', () => {
  test('is 0600 in a directory of its own, and read back', async () => {
    const path = join(dir, 'deep', 'secret.json');
    expect(await readCredential(path)).toBeUndefined();
    await writeCredential(path, 'one');
    await writeCredential(path, 'two');
    expect(await readCredential(path)).toBe('two');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'deep')).mode & 0o777).toBe(0o700);
  });

  test('that others may read is not read, and the message says how to mend it', async () => {
    const path = join(dir, 'open');
    await writeCredential(path, 'x');
    chmodSync(path, 0o604);
    await expect(readCredential(path)).rejects.toThrow(`chmod 600 ${path}`);
  });

  test('that is too long is not read', async () => {
    const path = join(dir, 'long');
    await writeCredential(path, 'x'.repeat(200_000));
    expect(await codeOf(() => readCredential(path))).toBe('config-invalid');
  });
});

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoiError } from '@boi/core';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCredential, withCredentialLock, writeCredential } from './credential-file.ts';
import { codeOf } from './testing/rig.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'boi-credential-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

const io = { clock: systemClock, random: systemRandom };

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

  test('that is too long is not read', async () => {
    const path = join(dir, 'long');
    await writeCredential(path, 'x'.repeat(200_000));
    expect(await codeOf(() => readCredential(path))).toBe('config-invalid');
  });

  test('of two that find it expired at once is replaced once: the second sees what the first wrote', async () => {
    const path = join(dir, 'token');
    await writeCredential(path, 'expired');
    let reissued = 0;
    const recover = () =>
      withCredentialLock(dir, io, async () => {
        const found = await readCredential(path);
        if (found !== 'expired') return found;
        reissued++;
        await writeCredential(path, `fresh ${reissued}`);
        return readCredential(path);
      });
    expect(await Promise.all([recover(), recover(), recover()])).toEqual(['fresh 1', 'fresh 1', 'fresh 1']);
    expect(readFileSync(path, 'utf8')).toBe('fresh 1');
  });

  test('locked by another for too long is given up, and its work is not begun', async () => {
    let begun = false;
    await withCredentialLock(dir, io, async () => {
      const second = withCredentialLock(dir, { ...io, waitMs: 1 }, async () => {
        begun = true;
      });
      expect(await codeOf(() => second)).toBe('identity-in-use');
    });
    expect(begun).toBe(false);
    expect(await withCredentialLock(dir, io, async () => 'free again')).toBe('free again');
  });

  test('whose work fails is unlocked, and the failure is the answer', async () => {
    let times = 0;
    const fail = async () => {
      times++;
      throw new BoiError('identity-in-use', 'no');
    };
    await expect(withCredentialLock(dir, io, fail)).rejects.toThrow('no');
    expect(times).toBe(1);
    expect(await withCredentialLock(dir, io, async () => 'free')).toBe('free');
  });
});

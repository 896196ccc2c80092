/**
 * One command at a time changes the configuration: a lock file beside it. Its time is renewed while it is held, so that one
 * whose time stands still was left by a command that was killed, and is taken away.
 */
import { link, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BoiError } from '@boi/core/errors';

const STALE_MS = 5_000;
const RENEW_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 20;

/** Waits until it is held; answers how to give it back. */
export async function lockConfig(path: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await (await open(path, 'wx', 0o600)).close();
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new BoiError('config-invalid', `${path} cannot be written: ${(error as Error).message}`, {
          cause: error,
        });
      }
      if (!(await takeAwayStale(path))) await delay(LOOK_EVERY_MS);
    }
  }
  const renew = setInterval(() => {
    const now = new Date();
    // Gone: its directory was removed under it, which whoever writes there next will say.
    utimes(path, now, now).catch(() => undefined);
  }, RENEW_EVERY_MS);
  renew.unref();
  return async () => {
    clearInterval(renew);
    await rm(path, { force: true });
  };
}

async function takeAwayStale(path: string): Promise<boolean> {
  const seen = await stat(path).catch(() => undefined);
  if (seen === undefined || Date.now() - seen.mtimeMs <= STALE_MS) return false;
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch {
    return true;
  }
  // Another command may have done the same and taken the lock between the look and the rename: it gets it back.
  const taken = await stat(aside).catch(() => undefined);
  if (taken !== undefined && taken.ino !== seen.ino) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
  return true;
}

/** Before the first test and after the last: nothing of the suite is on the engine. */
import { docker, removeAll } from './engine.ts';

export async function setup(): Promise<void> {
  await docker.ping().catch((cause: unknown) => {
    throw new Error('no Docker engine answers; `make e2e` starts one', { cause });
  });
  await removeAll();
}

export async function teardown(): Promise<void> {
  await removeAll();
}

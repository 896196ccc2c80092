/**
 * Before the first test and after the last: nothing of the suite is on the engine. One run at a time, since a second one would
 * sweep the first away: the lock is a container that never runs, named for all runs of that label, and says whose it is.
 */
import { docker, LABEL, removeAll } from './engine.ts';

const LOCK = `${LABEL.replaceAll('.', '-')}-lock`;
const OWNER = 'boi.e2e.pid';

/** Answers what is to be done after the last test; nothing, when it throws. */
export async function setup(): Promise<() => Promise<void>> {
  await docker.ping().catch((cause: unknown) => {
    throw new Error('no Docker engine answers; `make e2e` starts one', { cause });
  });
  const lock = await docker
    .getContainer(LOCK)
    .inspect()
    .catch(() => undefined);
  const owner = Number(lock?.Config.Labels[OWNER]);
  if (owner > 0 && runs(owner)) {
    throw new Error(
      `process ${owner} runs this suite on the same engine; one at a time, or BOI_E2E_RUN=NAME for this one`,
    );
  }
  await removeAll();
  await docker.createContainer({
    name: LOCK,
    Image: 'boi-etcd',
    Labels: { [LABEL]: 'lock', [OWNER]: String(process.pid) },
  });
  return () => removeAll();
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends what an earlier life of the daemon left running (daemon and guard both killed), before anything starts: no task may
 * start where an older copy of it still lives. Found by markers: `BOI_OUTPUT` in this node's work directory. Then the leavings
 * in the work directory are removed, nobody uses them any more. What a pool runs and this life takes up is left alone.
 */
import { readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, sleep } from '@boi/core';
import { signalProcess, treeKey } from './processes/process-scan.ts';
import type { ProcessTable } from './processes/process-table.ts';
import { makeWorkRoot, removeOwned, type TaskUser } from './steps/task-user.ts';

const LOOK_EVERY_MS = 10;

export interface ReapedLeftovers {
  /** Task ids of which something still ran. */
  readonly tasks: readonly string[];
  readonly processes: number;
  /** Work directories and output files removed. */
  readonly files: number;
}

export interface ReapOptions {
  /** Of all work directories. */
  readonly root: string;
  readonly table: ProcessTable;
  readonly clock: Clock;
  readonly user: TaskUser | undefined;
  /** What is left alone: processes of these claims, entries of `root` by these names. */
  readonly spared: { readonly keys: ReadonlySet<string>; readonly names: ReadonlySet<string> };
}

/**
 * Resolves when nothing of an earlier life runs and `root` is there and empty, but for what is spared. Only the holder of the
 * data directory's lock may call it.
 */
export async function reapLeftovers({ root, table, clock, user, spared }: ReapOptions): Promise<ReapedLeftovers> {
  await makeWorkRoot(root, user);
  const prefix = `${await realpath(root)}/`;
  const tasks = new Set<string>();
  const killed = new Set<string>();
  for (;;) {
    const snapshot = await table.snapshot();
    const roots = snapshot.rootsUnder(prefix).filter(({ task, fence }) => !spared.keys.has(treeKey(task, fence)));
    const members = roots.flatMap((r) => snapshot.membersOf(r));
    if (members.length === 0 && !snapshot.uncertain) break;
    for (const { task } of roots) tasks.add(task);
    for (const member of members) {
      killed.add(`${member.pid} ${member.startTicks}`);
      signalProcess(member, 'SIGKILL');
    }
    await sleep(clock, LOOK_EVERY_MS);
  }
  const names = (await readdir(root)).filter((name) => !spared.names.has(name));
  for (const name of names) {
    // One of before tasks had a user is root's own; the other is gone then.
    if (user !== undefined) await removeOwned(join(root, name), user).catch(() => undefined);
    await rm(join(root, name), { recursive: true, force: true });
  }
  return { tasks: [...tasks], processes: killed.size, files: names.length };
}

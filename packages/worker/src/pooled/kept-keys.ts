/**
 * Which claims are kept for the next life of the daemon, by the names of their files. The guard asks when the daemon has died, so
 * this imports next to nothing.
 */
import { readdirSync } from 'node:fs';
import { treeKey } from '../processes/process-scan.ts';

const FILE = /^(tsk_[0-9a-z]+)\.([1-9]\d*)\.json$/;

/** Name of a claim's files without their ending. */
export const keptName = (task: string, fence: string) => `${task}.${fence}`;

/** Keys, as of {@link treeKey}, of all claims in `dir`; none if there is no such directory. */
export function keptKeys(dir: string): Set<string> {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch {
    return new Set();
  }
  const keys = new Set<string>();
  for (const name of names) {
    const [, task, fence] = FILE.exec(name) ?? [];
    if (task !== undefined && fence !== undefined) keys.add(treeKey(task, fence));
  }
  return keys;
}

/**
 * Ends what an earlier life of the daemon left of its plugins: killed itself, it could not stop them. A plugin of the SDK ends by
 * itself when its standard input does; one that does not would hold its socket, its files, and its half of the work.
 *
 * Found by the variable that every plugin is started with, BOI_PLUGIN_SOCKET, which names a path in this node's runtime
 * directory and which descendants inherit. Looked for in `/proc` and not by a list of process ids kept on disk: such a list is
 * one process short when the daemon dies between starting a plugin and writing it down. What is meant to outlive a plugin (a
 * node that a provisioner started, a task that a pool keeps) is started without the variable and so is left alone.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { type Clock, sleep } from '@boi/core';
import { type ProcessStat, readProcessStat } from '@boi/system';

const LOOK_EVERY_MS = 20;
/** A process that is being replaced by another program has no environment for a moment: nothing twice is nothing. */
const CLEAN_LOOKS = 2;
/** Killed processes that are there still wait for the kernel; starting the plugins anew does not wait with them for ever. */
const GIVE_UP_MS = 5_000;

/** Resolves, with how many were killed, when nothing of an earlier life runs. Only the holder of the data directory's lock may call it. */
export async function killOrphans(runtimeDir: string, clock: Clock): Promise<number> {
  const marker = Buffer.from(`\0BOI_PLUGIN_SOCKET=${runtimeDir}/`);
  const killed = new Set<string>();
  const giveUp = clock.mono() + GIVE_UP_MS;
  for (let clean = 0; clean < CLEAN_LOOKS && clock.mono() < giveUp; ) {
    const found = marked(marker);
    clean = found.length === 0 ? clean + 1 : 0;
    for (const { pid, startTicks } of found) {
      killed.add(`${pid} ${startTicks}`);
      kill(pid, startTicks);
    }
    if (clean < CLEAN_LOOKS) await sleep(clock, LOOK_EVERY_MS);
  }
  return killed.size;
}

function marked(marker: Buffer): ProcessStat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const environment = Buffer.concat([Buffer.from('\0'), readFileSync(`/proc/${name}/environ`)]);
        if (!environment.includes(marker)) return [];
      } catch {
        // Of another user, or gone.
        return [];
      }
      const stat = readProcessStat(Number(name));
      return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? [] : [stat];
    });
}

function kill(pid: number, startTicks: number): void {
  if (readProcessStat(pid)?.startTicks !== startTicks) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended meanwhile.
  }
}

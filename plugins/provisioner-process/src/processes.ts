/**
 * Processes of this host as /proc shows them. One is known by pid and start time, so that another program that was given the pid
 * since is not mistaken for it; and by a variable of its environment, so that it is found again by whoever never learned its pid.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export interface Started {
  readonly pid: number;
  /** In clock ticks since boot. */
  readonly startTime: string;
}

/** Between TERM and KILL: a node drains. */
const STOP_MS = 20_000;
const POLL_MS = 50;

/** Undefined if there is no such process, or only its exit code is left. */
export function startedOf(pid: number): Started | undefined {
  const startTime = statOf(pid)?.[19];
  return startTime === undefined ? undefined : { pid, startTime };
}

export function isAlive({ pid, startTime }: Started): boolean {
  return startedOf(pid)?.startTime === startTime;
}

/** The leader of a process group that was started with this variable; what it started itself inherits it, but leads no group first. */
export function findStarted(name: string, value: string): Started | undefined {
  const found = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => statOf(pid)?.[2] === String(pid) && environmentOf(pid).includes(`${name}=${value}`))
    .flatMap((pid) => startedOf(pid) ?? []);
  return found.sort((a, b) => Number(a.startTime) - Number(b.startTime) || a.pid - b.pid)[0];
}

/** TERM, a while, KILL, to its whole process group. */
export async function stopGroup(started: Started): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(-started.pid, signal);
    } catch {
      return;
    }
    for (let waitedMs = 0; waitedMs < STOP_MS; waitedMs += POLL_MS) {
      if (!isAlive(started)) return;
      await pause(POLL_MS);
    }
  }
  throw new Error(`process ${started.pid} does not end`);
}

/** From the third field on: state, parent, group, … */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields;
  } catch {
    return undefined;
  }
}

/** Empty for the processes of others. */
function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

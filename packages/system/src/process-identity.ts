/**
 * Which process a pid means. A pid alone is reused; with the start time of the process, in clock ticks since boot, it is
 * unique until the host restarts. Linux only: everything here reads `/proc`. The reads do not touch a disk, so they are
 * synchronous: a round trip through Node's thread pool costs more.
 */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and the start of the process. */
  readonly startTicks: number;
}

export interface ProcessStat extends ProcessIdentity {
  /** One letter; `Z` and `X` are processes that have ended and only wait to be noticed by their parent. */
  readonly state: string;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

/** What `/proc/<pid>/stat` says, or undefined if there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  return parseProcessStat(text);
}

/** Parses one line of `/proc/<pid>/stat`. The command's name stands in parentheses and may itself hold any character. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const pid = Number.parseInt(text, 10);
  // Fields after the name, which is the second: state is the third of proc(5), the start time the 22nd.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ', 20);
  const [state, parent, group, session] = fields;
  const startTicks = Number(fields[19]);
  if (!Number.isInteger(pid) || state === undefined || !Number.isInteger(startTicks)) return undefined;
  return { pid, startTicks, state, parent: Number(parent), group: Number(group), session: Number(session) };
}

/** When process `pid` started, in clock ticks since boot; undefined if there is none. */
export function processStartTicks(pid: number): number | undefined {
  return readProcessStat(pid)?.startTicks;
}

/** Whether that very process still runs. A zombie does not: it has ended. */
export function isProcessAlive(identity: ProcessIdentity): boolean {
  const stat = readProcessStat(identity.pid);
  return stat !== undefined && stat.startTicks === identity.startTicks && stat.state !== 'Z' && stat.state !== 'X';
}

/** Random per boot of the host; undefined where there is none. */
export function bootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return undefined;
  }
}

/**
 * Which process a pid means. A pid alone is reused; with the start time of the process, in clock ticks since boot, it is
 * unique until the host restarts. Linux only: everything here reads `/proc`. The reads do not touch a disk, so they are
 * synchronous: a round trip through Node's thread pool costs more.
 */
import { closeSync, openSync, readSync } from 'node:fs';

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
  /** A thread of the kernel: no program, no environment. */
  readonly kernel: boolean;
}

/** PF_KTHREAD of <linux/sched.h>, in the ninth field of proc(5) stat. */
const KERNEL_THREAD = 0x0020_0000;
/** Most files of procfs are smaller. */
const BUFFER_BYTES = 65_536;
let buffer: Buffer | undefined;

/** A file of procfs, which has no size, as Latin-1; half the time of `readFileSync`. Throws as that does. */
export function readProcFile(path: string): string {
  buffer ??= Buffer.allocUnsafe(BUFFER_BYTES);
  const fd = openSync(path, 'r');
  try {
    let text = '';
    for (;;) {
      const bytes = readSync(fd, buffer, 0, BUFFER_BYTES, null);
      if (bytes === 0) return text;
      text += buffer.toString('latin1', 0, bytes);
    }
  } finally {
    closeSync(fd);
  }
}

/** What `/proc/<pid>/stat` says, or undefined if there is no such process. */
export function readProcessStat(pid: number): ProcessStat | undefined {
  let text: string;
  try {
    text = readProcFile(`/proc/${pid}/stat`);
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
  return {
    pid,
    startTicks,
    state,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    kernel: (Number(fields[6]) & KERNEL_THREAD) !== 0,
  };
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

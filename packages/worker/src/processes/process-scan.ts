/**
 * Which live processes belong to which task. A task's main process leads a session of its own, but descendants may leave
 * it (setsid, double fork). They are found by the markers every process inherits in its environment, `BOI_TASK_ID` and
 * `BOI_FENCE`, by the session, and by the chain of parents. What scrubs its environment, leaves the session *and* has
 * outlived its parents before anybody looked cannot be told from a stranger; only a control group could.
 *
 * Cheap enough for hundreds of short tasks a second: a listing of `/proc` is one read; only processes that were not in the
 * previous listing, or whose entry is a second old, are looked at. Synchronous, since procfs never waits for a disk.
 *
 * Imports nothing but procfs readers: the guard process uses it too.
 */
import { readdirSync } from 'node:fs';
import { type ProcessIdentity, type ProcessStat, readProcessStat, readProcFile } from '@boi/system/process-identity';

/** The main process of a task, alive or not, and the markers of its descendants. */
export interface TreeRoot extends ProcessIdentity {
  readonly task: string;
  readonly fence: string;
}

interface Entry {
  stat: ProcessStat;
  /** `task fence` from its environment, else inherited from the parent it had when first seen. */
  key: string | undefined;
  /** `BOI_OUTPUT` from its environment: a path in the data directory of the daemon that started it. */
  output: string | undefined;
  readMs: number;
}

export interface ProcessSnapshot {
  /** Live processes of the tree, the main one included, zombies not. */
  membersOf(root: TreeRoot): ProcessIdentity[];
  /** Trees of which a live process has its `BOI_OUTPUT` under `prefix`: tasks of one data directory. */
  rootsUnder(prefix: string): TreeRoot[];
  /** A newborn was in the middle of an exec, its environment unreadable: look again in a moment. */
  readonly uncertain: boolean;
}

/** An entry is trusted this long: far shorter than any system takes to reuse a pid. */
const ENTRY_AGE_MS_MAX = 1_000;
/** An exec takes well under a millisecond; a process without any environment is one that wants none. */
const NEWBORN_LOOKS_MAX = 3;

/** A root found by its markers only: its main process may be gone, so nothing is concluded from its session. */
const MAIN_UNKNOWN: ProcessIdentity = { pid: 0, startTicks: 0 };

export const treeKey = (task: string, fence: string) => `${task} ${fence}`;

export class ProcessScanner {
  #entries = new Map<number, Entry>();
  readonly #newborn = new Map<number, number>();

  /** `nowMs` is any monotonic clock's reading. */
  scan(nowMs: number): ProcessSnapshot {
    const next = new Map<number, Entry>();
    let uncertain = false;
    for (const name of readdirSync('/proc')) {
      const pid = Number(name);
      if (!(pid > 0)) continue;
      const known = this.#entries.get(pid);
      if (known !== undefined && known.key === undefined && nowMs - known.readMs < ENTRY_AGE_MS_MAX) {
        next.set(pid, known);
        continue;
      }
      const entry = this.#look(pid, known, nowMs, next);
      if (entry === undefined) continue;
      if (entry === 'newborn') uncertain = true;
      else next.set(pid, entry);
    }
    this.#entries = next;
    for (const pid of this.#newborn.keys()) if (next.has(pid)) this.#newborn.delete(pid);
    return new Snapshot(next, uncertain);
  }

  #look(pid: number, known: Entry | undefined, nowMs: number, seen: Map<number, Entry>): Entry | 'newborn' | undefined {
    const stat = readProcessStat(pid);
    if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
    if (known?.key !== undefined && known.stat.startTicks === stat.startTicks) {
      return { ...known, stat, readMs: nowMs };
    }
    // Its environment cannot be read, as that of a process that has gone.
    const markers = stat.kernel ? NO_MARKERS : readMarkers(pid);
    if (markers === undefined) return undefined;
    const parent = seen.get(stat.parent) ?? this.#entries.get(stat.parent);
    // Whoever has a task's process, or this one, for a parent is placed by that. What may be a runaway is looked at again.
    const placed = parent?.key !== undefined || stat.parent === process.pid || stat.kernel;
    if (markers.empty && !placed && known === undefined) {
      const looks = (this.#newborn.get(pid) ?? 0) + 1;
      if (looks < NEWBORN_LOOKS_MAX) {
        this.#newborn.set(pid, looks);
        return 'newborn';
      }
    }
    return { stat, key: markers.key ?? parent?.key, output: markers.output, readMs: nowMs };
  }
}

class Snapshot implements ProcessSnapshot {
  readonly uncertain: boolean;
  readonly #entries: Map<number, Entry>;

  constructor(entries: Map<number, Entry>, uncertain: boolean) {
    this.#entries = entries;
    this.uncertain = uncertain;
  }

  membersOf(root: TreeRoot): ProcessIdentity[] {
    const key = treeKey(root.task, root.fence);
    const leader = this.#entries.get(root.pid);
    // The number is taken by a stranger: then the session of that number is the stranger's too.
    const reused = leader !== undefined && leader.stat.startTicks !== root.startTicks;
    return this.#closure((entry) => {
      if (entry.key === key) return true;
      return root.pid > 0 && !reused && entry.key === undefined && entry.stat.session === root.pid;
    });
  }

  rootsUnder(prefix: string): TreeRoot[] {
    const keys = new Set<string>();
    for (const { key, output } of this.#entries.values()) {
      if (key !== undefined && output?.startsWith(prefix) === true) keys.add(key);
    }
    return [...keys].map((key) => {
      const [task = '', fence = ''] = key.split(' ');
      return { ...MAIN_UNKNOWN, task, fence };
    });
  }

  #closure(belongs: (entry: Entry) => boolean): ProcessIdentity[] {
    const members = new Map<number, Entry>();
    for (const [pid, entry] of this.#entries) if (belongs(entry)) members.set(pid, entry);
    if (members.size === 0) return [];
    for (let grew = true; grew; ) {
      grew = false;
      for (const [pid, entry] of this.#entries) {
        if (members.has(pid) || !members.has(entry.stat.parent) || pid === process.pid) continue;
        members.set(pid, entry);
        grew = true;
      }
    }
    members.delete(process.pid);
    return [...members.values()].map(({ stat }) => ({ pid: stat.pid, startTicks: stat.startTicks }));
  }
}

interface Markers {
  readonly empty: boolean;
  readonly key: string | undefined;
  readonly output: string | undefined;
}

const NO_MARKERS: Markers = { empty: true, key: undefined, output: undefined };

/** Undefined: the process has gone. Somebody else's process, which may not be read, has no markers. */
function readMarkers(pid: number): Markers | undefined {
  let text: string;
  try {
    text = readProcFile(`/proc/${pid}/environ`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'EACCES' || code === 'EPERM' ? { ...NO_MARKERS, empty: false } : undefined;
  }
  const task = markerValue(text, 'BOI_TASK_ID=');
  const fence = markerValue(text, 'BOI_FENCE=');
  const key = task === undefined || fence === undefined ? undefined : treeKey(task, fence);
  const output = markerValue(text, 'BOI_OUTPUT=');
  // Paths may hold any bytes: what was read as Latin-1 is decoded as it was encoded.
  return { empty: text === '', key, output: output && Buffer.from(output, 'latin1').toString('utf8') };
}

function markerValue(environ: string, name: string): string | undefined {
  let at = environ.startsWith(name) ? 0 : environ.indexOf(`\0${name}`);
  if (at < 0) return undefined;
  at = environ.indexOf('=', at) + 1;
  const end = environ.indexOf('\0', at);
  return environ.slice(at, end < 0 ? undefined : end);
}

/** Signals exactly that process: its start time is compared in the same breath. False: it is gone. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (readProcessStat(identity.pid)?.startTicks !== identity.startTicks) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch {
    return false;
  }
}

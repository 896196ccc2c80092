/** What the kernel says about processes: who runs for which node, and how much memory a process holds. */
import { readdirSync, readFileSync } from 'node:fs';

export interface TaskProcess {
  readonly pid: number;
  readonly task: string;
  readonly fence: string;
  readonly command: string;
}

/** Every process that has a task's environment: of that node, of that task, or of any. Zombies are not counted. */
export function taskProcesses(of: { readonly node?: string; readonly task?: string } = {}): TaskProcess[] {
  const found: TaskProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const env = environmentOf(entry);
    const task = env.get('BOI_TASK_ID');
    const node = env.get('BOI_NODE_ID');
    if (task === undefined || node === undefined) continue;
    if ((of.node ?? node) !== node || (of.task ?? task) !== task) continue;
    const command = read(`/proc/${entry}/cmdline`).replaceAll('\0', ' ').trim();
    found.push({ pid: Number(entry), task, fence: env.get('BOI_FENCE') ?? '', command });
  }
  return found;
}

/** Resident bytes now. */
export function residentBytes(pid: number): number {
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

/** Most bytes it ever held resident. */
export function peakResidentBytes(pid: number): number {
  return 1024 * Number(/^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);
}

function environmentOf(pid: string): Map<string, string> {
  return new Map(
    read(`/proc/${pid}/environ`)
      .split('\0')
      .map((pair) => {
        const eq = pair.indexOf('=');
        return [pair.slice(0, eq), pair.slice(eq + 1)];
      }),
  );
}

/** Empty when the process is gone or another user's. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

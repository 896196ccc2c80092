/**
 * Descriptors a child of this process would inherit beyond the three standard ones. Everything Node opens closes itself
 * on exec; what this process was given by whoever started it may not, and would reach every task.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** O_CLOEXEC in the `flags` line of proc(5) fdinfo. */
const CLOSE_ON_EXEC = 0o2000000;

/** Open descriptors from 3 on that survive an exec. */
export function inheritableDescriptors(): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc/self/fd')) {
    const fd = Number(name);
    if (fd < 3) continue;
    try {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0) found.push(fd);
    } catch {
      // The listing's own descriptor, closed by now.
    }
  }
  return found;
}

/** What Linux knows of a process by its id. */
import { readFileSync } from 'node:fs';

/** Unit of the CPU times in /proc, on every Linux there is. */
const TICKS_PER_SECOND = 100;

export function cpuSeconds(pid) {
  // After the name, which may hold anything: user and system time are the 12th and 13th field.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function residentBytes(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

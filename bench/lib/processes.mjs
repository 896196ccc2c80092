/** What Linux knows of a process by its id, and of all of them. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

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

/** Percent of the processors' time that is not idle within `ms`, what a hypervisor keeps from us included. */
export async function busyPercent(ms) {
  const look = () => {
    const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
    const [, user, nice, system, idle, iowait, irq, softirq, steal] = line.split(/ +/).map(Number);
    const busy = user + nice + system + irq + softirq + steal;
    return { busy, all: busy + idle + iowait };
  };
  const before = look();
  await delay(ms);
  const after = look();
  return Math.round((100 * (after.busy - before.busy)) / (after.all - before.all));
}

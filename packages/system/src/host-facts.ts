/** What a node says about its host: the capabilities `os`, `arch`, `cpus`, `memory`, and what operators look up. */
import { arch, availableParallelism, hostname, platform, release, totalmem } from 'node:os';

export interface HostFacts {
  /** As Node names it: `linux`, `darwin`. */
  readonly os: string;
  /** As Node names it: `x64`, `arm64`. */
  readonly arch: string;
  /** CPUs this process may use (its affinity, not the machine's). */
  readonly cpus: number;
  /** Bytes: the machine's, or the limit of the container if that is lower. */
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly hostname: string;
}

export function hostFacts(): HostFacts {
  return {
    os: platform(),
    arch: arch(),
    cpus: availableParallelism(),
    memoryBytes: memoryBytes(),
    kernel: release(),
    hostname: hostname(),
  };
}

/** `constrainedMemory` answers 0 or an absurdly large number when there is no limit. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  const total = totalmem();
  return limit > 0 && limit < total ? limit : total;
}

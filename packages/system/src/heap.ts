/** How the heap of a process that runs for long grows. */
import { setFlagsFromString } from 'node:v8';

/**
 * V8 lets what lives grow up to four times before it collects (kMaxHeapGrowingFactor); half as much again is enough here. A node that cancels 100,000
 * queued tasks takes 231 MiB instead of 381, one that checks them 212 instead of 296, for 7 % more time.
 */
const HEAP_GROWING_PERCENT = 50;

/** For the first moment of a daemon. Process-wide. */
export function boundHeapGrowth(): void {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
}

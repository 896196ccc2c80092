/** How the header of a coordinated spec ends. Pure. (Of a one-task spec whoever writes the result does it: ending.ts.) */
import { type Outcome, specOutcome } from '@boi/core';
import type { SpecHeader } from '../records.ts';

/** Outcomes as the header counts them: timed-out and poison are failures. */
export function specCounts(counts: Readonly<Record<Outcome, number>>): SpecHeader['counts'] {
  return {
    succeeded: counts.succeeded,
    failed: counts.failed + counts['timed-out'] + counts.poison,
    cancelled: counts.cancelled,
    skipped: counts.skipped,
  };
}

/** The header of a spec all of whose tasks have a result. A cancelled spec is `cancelled` if the cancel stopped anything. */
export function finalHeader(header: SpecHeader, counts: Readonly<Record<Outcome, number>>, nowMs: number): SpecHeader {
  const { coordinator: _coordinator, dispatcher: _dispatcher, failing: _failing, ...rest } = header;
  const stopped = header.cancel !== undefined && counts.cancelled > 0;
  return { ...rest, state: stopped ? 'cancelled' : specOutcome(counts), counts: specCounts(counts), endedAt: nowMs };
}

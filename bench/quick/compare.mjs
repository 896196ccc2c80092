/**
 * Compares counts with their budgets. Counts are the same on every machine, so a budget is what was counted when it was
 * renewed last; a little room is left where the runtime has a say.
 */

/** What each measure of a task is, and the part by which it may be above its budget. */
export const MEASURES = {
  writes: { title: 'writes', room: 0 },
  reads: { title: 'reads', room: 0.01 },
  requests: { title: 'requests', room: 0.01 },
  ranges: { title: 'ranges', room: 0.01 },
  watchEvents: { title: 'watch events', room: 0 },
  bytesPut: { title: 'bytes put', room: 0.01 },
  jsonEncodes: { title: 'JSON encodes', room: 0.01 },
  jsonParses: { title: 'JSON parses', room: 0.01 },
  timers: { title: 'timers', room: 0.01 },
  starts: { title: 'starts', room: 0 },
  virtualMs: { title: 'virtual ms', room: 0.01 },
  heapBytes: { title: 'heap bytes', room: 0.1 },
};

/** Below the budget by more than this the budget is worth renewing, so that what was gained is kept. */
const WORTH_RENEWING = 0.05;

/** As kept in the file of budgets: three digits behind the point, heap to the next thousand above. */
export function toBudget(counts) {
  return Object.fromEntries(
    Object.keys(MEASURES)
      .filter((measure) => counts[measure] !== undefined)
      .map((measure) => [
        measure,
        measure === 'heapBytes' ? Math.ceil(counts[measure] / 1_000) * 1_000 : Number(counts[measure].toFixed(3)),
      ]),
  );
}

/**
 * `budgets` and `counted`: by workload, then by measure. `grown` is what fails: a count above its budget, or a count or a whole
 * workload without one. A budget that nothing was counted for fails as well, except of the heap, which cannot always be measured.
 */
export function compare(budgets, counted) {
  const grown = [];
  const shrunk = [];
  for (const [workload, counts] of Object.entries(counted)) {
    const budget = budgets[workload] ?? {};
    const rounded = toBudget(counts);
    for (const [measure, { title, room }] of Object.entries(MEASURES)) {
      const [value, allowed] = [rounded[measure], budget[measure]];
      if (value === undefined && allowed === undefined) continue;
      if (value === undefined) {
        if (measure !== 'heapBytes') grown.push(`${workload}: ${title} was not counted`);
      } else if (allowed === undefined) grown.push(`${workload}: ${title} has no budget (${value} a task)`);
      else if (value > allowed * (1 + room))
        grown.push(`${workload}: ${title} grew from ${allowed} to ${value} a task`);
      else if (value < allowed * (1 - Math.max(room, WORTH_RENEWING)))
        shrunk.push(`${workload}: ${title} fell from ${allowed} to ${value} a task`);
    }
  }
  for (const workload of Object.keys(budgets))
    if (counted[workload] === undefined) grown.push(`${workload}: has a budget, but was not measured`);
  return { grown, shrunk };
}

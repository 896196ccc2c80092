/** Parts of docs/performance.md made of the JSON of the runs: by the name of the mark that each stands between. */
import { goals } from './goals.mjs';

function markdown(head, rows) {
  if (rows.length === 0) return 'Nothing of it was measured in the last run.';
  const line = (cells) => `| ${cells.map((cell) => (cell === undefined ? '–' : String(cell))).join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

const seconds = (ms) => (ms / 1_000).toFixed(2);

export function parts({ results, growth, budgets }) {
  return {
    run: runOf(results),
    goals: markdown(
      ['Line', 'At least', 'Aim', 'Measured', 'Beside', ''],
      goals({ results, growth, budgets }).map((goal) => [
        goal.line,
        goal.atLeast,
        goal.aim,
        goal.measured,
        goal.beside,
        goal.verdict,
      ]),
    ),
    noop: markdown(
      [
        'No-op tasks',
        'Version',
        'Store',
        'Tasks',
        's',
        'Tasks/s',
        'Turns',
        'First time',
        'Writes/task',
        'p50 ms',
        'p99 ms',
      ],
      (results.noop ?? []).map((row) => [
        row.name,
        row.version,
        row.store,
        row.tasks,
        seconds(row.elapsedMs),
        row.perSecond,
        row.turns?.join(', '),
        row.firstPerSecond,
        row.writesPerTask,
        row.p50Ms,
        row.p99Ms,
      ]),
    ),
    real: markdown(
      ['A process each', 'Version', 'Tasks', 's', 'Tasks/s', 'First time', 'p50 ms', 'p99 ms'],
      (results.real ?? []).map((row) => [
        row.name,
        row.version,
        row.tasks,
        seconds(row.elapsedMs),
        row.perSecond,
        row.firstPerSecond,
        row.p50Ms,
        row.p99Ms,
      ]),
    ),
    cost: markdown(
      [
        'boi-node, no-op',
        'Tasks',
        'Tasks/s',
        'Turns',
        'First time',
        'CPU µs/task, etcd',
        'CPU µs/task, nodes',
        'Busiest loop %',
        'Syncs/task',
        'ms a sync',
      ],
      [...(results.noop ?? []), ...(results.singles ?? [])]
        .filter(({ etcdCpuMicros }) => etcdCpuMicros !== undefined)
        .map((row) => [
          row === results.singles?.[0] ? 'specs of one task' : 'one spec',
          row.tasks,
          row.perSecond,
          row.turns?.join(', '),
          row.firstPerSecond,
          row.etcdCpuMicros,
          row.nodesCpuMicros,
          row.loopBusyPercent,
          row.syncsPerTask,
          row.syncMs,
        ]),
    ),
    takeover: markdown(
      ['Claimed', 'Record gone', 'First moved', 'Last moved', 'First claimed', 'Last claimed'],
      (results.takeover?.runs ?? []).map((row) => [
        row.held,
        row.recordGoneMs,
        row.firstMovedMs,
        row.lastMovedMs,
        row.firstClaimedMs,
        row.lastClaimedMs,
      ]),
    ),
    start: markdown(
      ['Whole process', 'Runs', 'Best ms', 'Median ms', 'Medians, `node -e 0` = 1'],
      (results.start ?? []).map((row) => [`\`${row.command}\``, row.runs, row.bestMs, row.medianMs, row.timesNode]),
    ),
    counts: countsOf(budgets),
    growth: (growth.series ?? []).map(growthOf).join('\n\n'),
  };
}

function runOf({ machine, measuredAt, failures = [] }) {
  const { cores, cpu, memoryGiB, system, node, fileSystem, busyBefore, busyAfter } = machine;
  const busy =
    busyBefore === undefined
      ? ''
      : ` Others kept the processors busy for ${busyBefore} % before the run and ${busyAfter} % after it.`;
  const failed = failures.map(({ what }) => what).join(', ');
  return `Measured ${measuredAt.slice(0, 16).replace('T', ' ')} UTC: ${cores} × ${cpu}, ${memoryGiB} GiB, ${system}, ${fileSystem}, Node ${node}.${busy}${failed === '' ? '' : ` Failed: ${failed}.`}`;
}

const COUNTS = {
  writes: 'writes',
  reads: 'reads',
  requests: 'requests',
  watchEvents: 'watch events',
  bytesPut: 'bytes put',
  jsonEncodes: 'JSON encodes',
  jsonParses: 'JSON parses',
  timers: 'timers',
  virtualMs: 'virtual ms',
  heapBytes: 'heap bytes',
};

function countsOf(budgets) {
  const workloads = Object.keys(budgets);
  return markdown(
    ['Each task', ...workloads],
    Object.entries(COUNTS).map(([measure, title]) => [title, ...workloads.map((name) => budgets[name][measure])]),
  );
}

function growthOf({ title, rows }) {
  const head = [
    'Nodes',
    'Tasks',
    'Writes',
    'Reads',
    'Requests',
    'Watch events',
    'Bytes',
    'Virtual ms',
    'CPU ms',
    'Store MB',
    'Peak MB',
  ];
  const measures = [
    'nodes',
    'tasks',
    'writes',
    'reads',
    'requests',
    'watchEvents',
    'bytesPut',
    'virtualMs',
    'cpuMs',
    'storeMb',
    'peakMb',
  ];
  return `${title}:\n\n${markdown(
    head,
    rows.map((row) => measures.map((measure) => row[measure])),
  )}`;
}

/** Puts each part between its marks, `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`; throws for a mark that is missing. */
export function splice(page, texts) {
  return Object.entries(texts).reduce((text, [name, part]) => {
    const [from, to] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
    const [start, end] = [text.indexOf(from), text.indexOf(to)];
    if (start < 0 || end < start) throw new Error(`the page has no marks ${from} … ${to}`);
    return `${text.slice(0, start + from.length)}\n${part}\n${text.slice(end)}`;
  }, page);
}

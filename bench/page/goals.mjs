/**
 * What is asked of the project's speed, line by line, and what the last run says to it. Pure: JSON of the runs in, rows out. A
 * line of which nothing was measured says so.
 */

/** Of the processors, by others than the benchmark. */
const BUSY_PERCENT_MAX = 15;

const met = (value, atLeast, aim, better) => {
  if (value === undefined) return 'not measured';
  if (better(value, aim)) return 'aim met';
  return better(value, atLeast) ? 'met' : 'missed';
};
const higher = (a, b) => a >= b;
const lower = (a, b) => a <= b;
const named = (rows, name) => rows?.find((row) => row.name === name);
const shown = (rows) => rows.map(({ name, perSecond }) => `${name} ${perSecond}`).join(', ');
/** Of processes that have done it once before; and what they made that first time. */
const rated = ({ perSecond, firstPerSecond }) =>
  firstPerSecond === undefined ? `${perSecond}/s` : `${perSecond}/s, the first time ${firstPerSecond}`;

/** `{ line, atLeast, aim, measured, beside, verdict }` for each. Times of a machine that was busy before or after the run are not judged. */
export function goals({ results = {}, growth = {}, budgets = {} }) {
  const { busyBefore = 0, busyAfter = 0 } = results.machine ?? {};
  const busy = Math.max(busyBefore, busyAfter) > BUSY_PERCENT_MAX;
  const timed = (goal) =>
    busy && goal.verdict !== 'not measured' ? { ...goal, verdict: 'not judged: busy machine' } : goal;
  return [
    timed(noop(results)),
    timed(singles(results)),
    timed(real(results)),
    timed(latency(results)),
    operations(budgets),
    flat(growth),
    timed(backlog(results)),
    timed(takeover(results)),
    timed(idle(results)),
    timed(start(results, 'boi-node --version', '`boi-node --version`', 150, 60)),
    timed(start(results, 'boi-node spec dispatch', '`spec dispatch` of one task, whole process', 450, 250)),
    timed(tail(results)),
  ];
}

function noop({ noop: rows = [] }) {
  const row = named(rows, 'boi-node');
  const own = row?.perSecond;
  const peers = rows.filter(({ name }) => name !== 'boi-node');
  const rate = (name) => named(rows, name)?.perSecond;
  const near = [rate('BullMQ'), rate('pg-boss')];
  const all = own !== undefined && near.every((value) => value !== undefined) && rate('graphile-worker') !== undefined;
  const verdict = all
    ? met(own, Math.max(...near), rate('graphile-worker'), higher)
    : 'not measured beside all of them';
  return {
    line: `No-op tasks, ${row?.tasks ?? '20000'} in one spec, 3 nodes`,
    atLeast: 'ahead of BullMQ and pg-boss',
    aim: 'ahead of graphile-worker',
    measured: row === undefined ? '–' : rated(row),
    beside: peers.length === 0 ? '–' : shown(peers),
    verdict,
  };
}

function singles({ singles: rows = [] }) {
  const [own] = rows;
  return {
    line: 'Specs of one task, 16 clients, 3 nodes',
    atLeast: '1,500/s',
    aim: '3,000/s',
    measured: own === undefined ? '–' : `${rated(own)}; ${own.syncMs} ms a sync of etcd's log`,
    beside: '–',
    verdict: met(own?.perSecond, 1_500, 3_000, higher),
  };
}

function real({ real: rows = [] }) {
  const own = named(rows, 'boi-node');
  const others = rows.filter(({ name }) => name !== 'boi-node');
  return {
    line: 'Real process (`/bin/true`), 3 nodes',
    atLeast: '450/s',
    aim: '650/s',
    measured: own === undefined ? '–' : rated(own),
    beside: others.length === 0 ? '–' : shown(others),
    verdict: met(own?.perSecond, 450, 650, higher),
  };
}

function latency({ real: rows = [], noop: peers = [] }) {
  const own = named(rows, 'boi-node');
  const bad = (limit50, limit99) => own?.p50Ms <= limit50 && own?.p99Ms <= limit99;
  return {
    line: 'Idle cluster: `POST` to process started, p50 and p99',
    atLeast: '12, 60 ms',
    aim: '6, 25 ms',
    measured: own?.p50Ms === undefined ? '–' : `${own.p50Ms}, ${own.p99Ms} ms`,
    beside:
      peers
        .filter(({ p50Ms }) => p50Ms !== undefined)
        .map(({ name, p50Ms, p99Ms }) => `${name} ${p50Ms}, ${p99Ms} (no process)`)
        .join('; ') || '–',
    verdict: own?.p50Ms === undefined ? 'not measured' : bad(6, 25) ? 'aim met' : bad(12, 60) ? 'met' : 'missed',
  };
}

function operations(budgets) {
  const plain = budgets['one spec of 1,000 tasks']?.writes;
  const single = budgets['1,000 specs of one task']?.writes;
  const both = plain === undefined || single === undefined ? undefined : Math.max(plain / 4.2, single / 6.05);
  return {
    line: 'Writes to the store a task: plain; whole one-task spec',
    atLeast: '4 + 5 %; 6',
    aim: '4; 6',
    measured: both === undefined ? '–' : `${plain}; ${single}`,
    beside: '–',
    verdict: both === undefined ? 'not measured' : both <= 1 ? 'met' : 'missed',
  };
}

function flat({ series = [] }) {
  const rows = named(series, 'nodes')?.rows ?? [];
  const events = rows.map(({ watchEvents }) => watchEvents);
  return {
    line: 'Watch events a task, 3, 30, 300 nodes (simulation)',
    atLeast: 'flat',
    aim: 'flat',
    measured: events.length === 0 ? '–' : events.join(', '),
    beside: '–',
    // The share that growth adds: never more than a twentieth over the smallest cluster.
    verdict: events.length === 0 ? 'not measured' : Math.max(...events) <= events[0] * 1.05 ? 'aim met' : 'missed',
  };
}

function backlog({ backlog: own }) {
  const verdicts = [met(own?.residentMb, 400, 200, lower), met(own && own.queuedMs / 1_000, 20, 8, lower)];
  return {
    line: `${own?.tasks ?? 100_000} queued tasks: memory of a node; until all are queued`,
    atLeast: '400 MB; 20 s',
    aim: '200 MB; 8 s',
    measured: own === undefined ? '–' : `${own.residentMb} MB; ${(own.queuedMs / 1_000).toFixed(1)} s`,
    beside: '–',
    verdict: [...new Set(verdicts)].join('; '),
  };
}

function takeover({ takeover: own }) {
  const over = own && own.worstMs - own.ttlMs;
  return {
    line: 'Takeover of 1,000 claimed tasks after SIGKILL, the last one',
    atLeast: 'TTL + 1.5 s',
    aim: 'TTL + 0.8 s',
    measured:
      own === undefined
        ? '–'
        : `TTL + ${(over / 1_000).toFixed(2)} s at worst of ${own.runs.length}, of it own ${own.ownMs} ms`,
    beside: '–',
    verdict: met(over, 1_500, 800, lower),
  };
}

function idle({ idle: own }) {
  const verdicts = [met(own?.cpuPercent, 1, 0.3, lower), met(own?.residentMb, 150, 90, lower)];
  return {
    line: 'Idle node: CPU, memory, writes a keep-alive',
    atLeast: '1 %, 150 MB, 1',
    aim: '0.3 %, 90 MB',
    measured: own === undefined ? '–' : `${own.cpuPercent} %, ${own.residentMb} MB, ${own.writesPerKeepAlive}`,
    beside: '–',
    verdict: [...new Set(verdicts)].join('; '),
  };
}

function start({ start: rows = [] }, command, line, atLeast, aim) {
  const own = rows.find((row) => row.command === command);
  const bare = rows.find((row) => row.command === 'node -e 0');
  return {
    line,
    atLeast: `${atLeast} ms`,
    aim: `${aim} ms`,
    measured: own === undefined ? '–' : `${own.medianMs} ms, best ${own.bestMs}`,
    beside: bare === undefined ? '–' : `\`node -e 0\` ${bare.medianMs} ms, best ${bare.bestMs}`,
    verdict: met(own?.medianMs, atLeast, aim, lower),
  };
}

function tail({ tail: own }) {
  const verdicts = [met(own?.megabytesPerSecond, 100, 300, higher), met(own?.lagP50Ms, 50, 10, lower)];
  return {
    line: 'Output relayed across nodes; lag of a followed line',
    atLeast: '100 MB/s; 50 ms',
    aim: '300; 10',
    measured:
      own === undefined
        ? '–'
        : `${own.megabytesPerSecond} MB/s, the first time ${own.firstMegabytesPerSecond ?? '–'}; ${own.lagP50Ms} ms, p99 ${own.lagP99Ms}`,
    beside: '–',
    verdict: [...new Set(verdicts)].join('; '),
  };
}

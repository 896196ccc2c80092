/**
 * Measures the protocol of boi-node on a real etcd with fsync: node processes of the daemon's own packages with a runner that
 * starts no process. One large spec, many small ones, a backlog, and a node that is killed.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile, rate, round } from './figures.mjs';
import { startMember } from './member.mjs';
import { cpuSeconds } from './processes.mjs';
import { startEtcd } from './servers.mjs';
import { Watcher } from './watcher.mjs';

const ROOT = join(import.meta.dirname, '../..');
const NODE = join(ROOT, 'bench/boi/noop-node.mjs');
/** Tasks a node has in hand at once: as BullMQ's concurrency there. */
const SLOTS = 100;
const TTL_MS = 3_000;
/** Longer than anything here takes: what hangs is found out. */
const PATIENCE_MS = 120_000;

export const version = () => JSON.parse(readFileSync(join(ROOT, 'packages/cli/package.json'), 'utf8')).version;
export const manyTrue = (count, program) =>
  JSON.stringify({ name: 'bench', tasks: [{ ref: 'task', run: [program], count }] });
const ONE_TASK = JSON.stringify({ tasks: [{ ref: 'task', run: ['true'] }] });

/** Runs `measure` with a fresh etcd and fresh nodes, and checks the store afterwards. */
async function withNodes(workers, options, measure) {
  const etcd = await startEtcd();
  const endpoint = `http://127.0.0.1:${etcd.port}`;
  const members = [];
  const watcher = new Watcher(endpoint);
  try {
    const argument = JSON.stringify({ ...options, endpoint });
    for (let i = 0; i < workers; i++) members.push(startMember(process.execPath, [NODE, argument]));
    const ids = await Promise.all(members.map((member) => member.ask('start')));
    const row = await measure({ etcd, members, ids, watcher });
    return {
      name: 'boi-node',
      version: version(),
      node: process.version,
      store: `${etcd.name} ${etcd.version}`,
      ...row,
    };
  } finally {
    await watcher.close();
    await Promise.all(members.map((member) => member.stop()));
    await etcd.stop();
  }
}

async function clean(member) {
  const fsck = await member.ask('fsck');
  if (!fsck.clean) throw new Error(`fsck: ${JSON.stringify(fsck.findings.slice(0, 5))}`);
}

/** One spec of `tasks`, twice in the same processes: the first time their code is compiled as it is met. Tells of the second, and the rate of the first. */
export function measureNoop({ tasks, workers }) {
  return withNodes(workers, { slots: SLOTS }, async ({ etcd, members }) => {
    const { perSecond: firstPerSecond } = await noopRound(etcd, members, tasks);
    const row = await noopRound(etcd, members, tasks);
    await clean(members[0]);
    return {
      storeCommand: etcd.command,
      command: `node bench/boi/noop-node.mjs '{"slots":${SLOTS}}' (${workers} nodes; one of them dispatches)`,
      firstPerSecond,
      ...row,
    };
  });
}

async function noopRound(etcd, members, tasks) {
  const ran = () => Promise.all(members.map((member) => member.ask('started')));
  const [ranBefore, before] = [await ran(), await cost(etcd, members)];
  const started = performance.now();
  const ids = await members[0].ask('dispatch', { source: manyTrue(tasks, 'true') });
  const enqueuedMs = performance.now() - started;
  const spec = await members[0].ask('settle', ids);
  const elapsedMs = performance.now() - started;
  const after = await cost(etcd, members);
  if (spec.counts.succeeded !== tasks) throw new Error(`only ${spec.counts.succeeded} of ${tasks} tasks succeeded`);
  return {
    ...rate(tasks, elapsedMs),
    enqueuedMs: round(enqueuedMs),
    ...perTask(before, after, tasks),
    perNode: (await ran()).map((count, i) => count - ranBefore[i]),
  };
}

/**
 * Specs of one task each, from `clients` clients spread over the nodes; a spec counts when its header says that it has ended. Twice, as
 * {@link measureNoop}.
 */
export function measureSingles({ specs, clients, workers }) {
  return withNodes(workers, { slots: SLOTS }, async ({ etcd, members, watcher }) => {
    const given = { etcd, members, watcher, specs, clients };
    const { perSecond: firstPerSecond } = await singlesRound(given);
    const row = await singlesRound(given);
    await clean(members[0]);
    return {
      command: `node bench/boi/noop-node.mjs '{"slots":${SLOTS}}' (${workers} nodes, ${clients} clients over them)`,
      firstPerSecond,
      ...row,
    };
  });
}

async function singlesRound({ etcd, members, watcher, specs, clients }) {
  const before = await cost(etcd, members);
  const ended = await watcher.ended(specs);
  const started = performance.now();
  const share = (all, i) => Math.floor((all * (i + 1)) / members.length) - Math.floor((all * i) / members.length);
  await Promise.all(
    members.map((member, i) =>
      member.ask('dispatchMany', { source: ONE_TASK, count: share(specs, i), clients: share(clients, i) }),
    ),
  );
  const acceptedMs = performance.now() - started;
  const elapsedMs = (await within(ended.done, 'the specs end')) - started;
  const after = await cost(etcd, members);
  return { ...rate(specs, elapsedMs), enqueuedMs: round(acceptedMs), ...perTask(before, after, specs) };
}

/** Many tasks that wait while a few hang: how long until all are queued, and what that takes of memory. */
export function measureBacklog({ tasks, workers }) {
  return withNodes(workers, { slots: 4, hang: true }, async ({ members, watcher }) => {
    const before = await Promise.all(members.map((member) => member.ask('residentBytes')));
    const queued = await watcher.queued(1);
    const started = performance.now();
    await members[0].ask('dispatch', { source: manyTrue(tasks, 'true') });
    const acceptedMs = performance.now() - started;
    const queuedMs = (await within(queued.done, 'the tasks are queued')) - started;
    let peak = 0;
    // What a node read to know its queue is behind it after a while.
    for (let i = 0; i < 20; i++) {
      peak = Math.max(peak, ...(await Promise.all(members.map((member) => member.ask('residentBytes')))));
      await delay(250);
    }
    return {
      command: `node bench/boi/noop-node.mjs '{"slots":4,"hang":true}' (${workers} nodes)`,
      tasks,
      acceptedMs: round(acceptedMs),
      queuedMs: round(queuedMs),
      emptyMb: round(Math.max(...before) / 1e6),
      residentMb: round(peak / 1e6),
      databaseMb: round((await watcher.databaseBytes()) / 1e6),
    };
  });
}

/** A third of `tasks` is claimed by a node that is killed: until the others have claimed it all again. Once, from fresh servers. */
async function takeover({ tasks, workers, afterMs }) {
  const options = { slots: tasks, hang: true, sessionTtlMs: TTL_MS };
  return withNodes(workers, options, async ({ members, ids, watcher }) => {
    await members[0].ask('dispatch', { source: manyTrue(tasks, 'true') });
    const started = async () => {
      const counts = await Promise.all(members.map((member) => member.ask('started')));
      return counts.reduce((sum, count) => sum + count, 0);
    };
    const until = performance.now() + PATIENCE_MS;
    while ((await started()) < tasks) {
      if (performance.now() > until) throw new Error(`only ${await started()} of ${tasks} tasks are claimed`);
      await delay(20);
    }
    const victim = members[1];
    const held = await victim.ask('started');
    const seen = await watcher.follow(ids[1]);
    await delay(afterMs);
    const killed = performance.now();
    process.kill(victim.pid, 'SIGKILL');
    while (seen.claimed.length < held) {
      if (performance.now() - killed > PATIENCE_MS)
        throw new Error(`only ${seen.claimed.length} of ${held} claimed again`);
      await delay(5);
    }
    const since = (at) => at - killed;
    return {
      held,
      recordGoneMs: since(seen.gone),
      firstMovedMs: since(seen.moved[0]),
      lastMovedMs: since(seen.moved.at(-1)),
      firstClaimedMs: since(seen.claimed[0]),
      lastClaimedMs: since(seen.claimed.at(-1)),
    };
  });
}

/** Killed at different times between two keep-alives, since what is left of its lease is part of what is measured. */
export async function measureTakeover({ tasks, workers, runs }) {
  const rows = [];
  for (let i = 0; i < runs; i++)
    rows.push(await takeover({ tasks: tasks * workers, workers, afterMs: (i * 1_000) / runs }));
  const own = rows.map((row) => row.lastClaimedMs - row.recordGoneMs);
  const last = rows.map((row) => row.lastClaimedMs);
  const [{ name, version: of, node, store }] = rows;
  return {
    name,
    version: of,
    node,
    store,
    command: `node bench/boi/noop-node.mjs '{"slots":${tasks * workers},"hang":true,"sessionTtlMs":${TTL_MS}}' (${workers} nodes, one killed)`,
    ttlMs: TTL_MS,
    runs: rows.map(({ held, recordGoneMs, firstMovedMs, lastMovedMs, firstClaimedMs, lastClaimedMs }) => ({
      held,
      recordGoneMs: round(recordGoneMs),
      firstMovedMs: round(firstMovedMs),
      lastMovedMs: round(lastMovedMs),
      firstClaimedMs: round(firstClaimedMs),
      lastClaimedMs: round(lastClaimedMs),
    })),
    ownMs: round(percentile(own, 0.5)),
    lastMs: round(percentile(last, 0.5)),
    worstMs: round(Math.max(...last)),
  };
}

async function within(promise, what) {
  let timer;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Since the server started, by its own count: keys written and deleted, times its log was synced, seconds that took. */
async function etcdTotals(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const total = (what) => Number(text.match(new RegExp(`^etcd_${what} (\\S+)$`, 'm'))?.[1] ?? Number.NaN);
  const of = (what) => total(`(?:debugging_)?mvcc_${what}_total`);
  const synced = 'disk_wal_fsync_duration_seconds';
  return { writes: of('put') + of('delete'), syncs: total(`${synced}_count`), syncS: total(`${synced}_sum`) };
}

export async function etcdWrites(port) {
  return (await etcdTotals(port)).writes;
}

/** Processor time so far, and how long each node's event loop was busy. */
async function cost(etcd, members) {
  const totals = await etcdTotals(etcd.port);
  const loops = await Promise.all(members.map((member) => member.ask('loop')));
  const nodesS = members.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
  return { ...totals, etcdS: cpuSeconds(etcd.pid), nodesS, loops };
}

/** What a task cost between two readings. */
function perTask(before, after, tasks) {
  const syncs = after.syncs - before.syncs;
  const micros = (what) => round((1e6 * (after[what] - before[what])) / tasks);
  const busy = after.loops.map(({ active, idle }, i) => {
    const worked = active - before.loops[i].active;
    return worked / (worked + idle - before.loops[i].idle);
  });
  return {
    etcdCpuMicros: micros('etcdS'),
    nodesCpuMicros: micros('nodesS'),
    loopBusyPercent: round(100 * Math.max(...busy)),
    writesPerTask: round((after.writes - before.writes) / tasks, 2),
    syncsPerTask: round(syncs / tasks, 3),
    syncMs: round((1_000 * (after.syncS - before.syncS)) / syncs, 2),
  };
}

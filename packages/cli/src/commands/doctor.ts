/** `doctor`: looks at what can be wrong, in the order in which to mend it; each finding names the next command. */
import { statfs } from 'node:fs/promises';
import { type Probe, parseEndpoint } from '@boi/client';
import type { ActorView, ClusterView, NodeView } from '@boi/core';
import { displayName, escapeName } from '@boi/core/names';
import type { Args } from '../args.ts';
import { asFailure } from '../fail.ts';
import { renderData } from '../output/present.ts';
import { renderTable } from '../output/table.ts';
import { bytes, elapsed, relative } from '../output/time.ts';
import type { Session } from '../session.ts';
import { VERSION } from '../version.ts';
import { checkCa, checkOwn, checkUsers } from './doctor-certificates.ts';
import { answersWithoutStore, checkMember } from './doctor-member.ts';

type Level = 'ok' | 'warning' | 'error';
export interface Finding {
  readonly check: string;
  readonly level: Level;
  readonly finding: string;
  /** The next command. */
  readonly next?: string;
}

/** A `Date` header has whole seconds; less than this cannot be told from rounding and a slow answer. */
const SKEW_WARN_MS = 2_000;
const SKEW_ERROR_MS = 30_000;
const DISK_WARN = 0.1;
const DISK_ERROR = 0.02;
/** etcd's default quota is 2 GiB; half of it is time to look. */
const STORE_WARN_BYTES = 2 ** 30;
const UNCLAIMED_WARN_MS = 5 * 60_000;
const SPECS_MAX = 1_000;

export async function examine(session: Session, args: Args): Promise<number> {
  const findings: Finding[] = [];
  const target = session.target();
  findings.push({
    check: 'configuration',
    level: 'ok',
    finding: target.context === undefined ? 'addresses given' : `context ${target.context}`,
  });
  const { reachable, skewMs, actor } = await checkEndpoints(session, target.endpoints, findings);
  const certificate = session.shown?.credentials.certificate;
  if (certificate !== undefined) {
    const own = session.shown?.own === true;
    findings.push(...checkOwn({ certificate, own }, session.io.now(), skewMs));
  }
  findings.push(await checkDisk(session));
  if (reachable) {
    await checking(findings, 'store', async () => checkCluster(await session.client.call('cluster.show', {})));
    if (actor !== undefined && actor.kind !== 'anyone') {
      await checking(findings, 'certificates', () => checkCertificates(session, actor));
    }
    await checking(findings, 'nodes', async () => checkNodes((await session.client.call('node.list', {})).items));
    await checking(findings, 'waiting work', () => checkUnclaimed(session));
  }
  await present(session, findings);
  const file = args.text('bundle');
  if (file !== undefined) {
    const { writeReport } = await import('../report/write.ts');
    await writeReport(session, { file, log: args.text('log'), findings });
    session.note(`${file} is written, without secrets that are known or look like one; read it before you send it`);
  }
  if (!reachable) return 3;
  return findings.some((f) => f.level === 'error') ? 1 : 0;
}

/** What a check throws is a finding of its own, not the end of the examination. */
async function checking(findings: Finding[], check: string, body: () => Promise<Finding[]>): Promise<void> {
  try {
    findings.push(...(await body()));
  } catch (error) {
    if (asFailure(error) === undefined) throw error;
    findings.push({ check, level: 'error', finding: (error as Error).message, next: 'boi-node cluster status' });
  }
}

interface Reached {
  readonly reachable: boolean;
  /** How far the clock of a node is ahead of this one, when it is more than rounding. */
  readonly skewMs: number;
  /** Who asks, as a node says. */
  readonly actor: ActorView | undefined;
}

async function checkEndpoints(session: Session, endpoints: readonly string[], findings: Finding[]): Promise<Reached> {
  const clusters = new Set<string>();
  let skewMs = 0;
  let actor: ActorView | undefined;
  await Promise.all(
    endpoints.map(async (text) => {
      const endpoint = parseEndpoint(text);
      try {
        const probe = await session.client.probe(endpoint);
        clusters.add(probe.answer.cluster);
        findings.push({
          check: 'address',
          level: 'ok',
          finding: `${endpoint.origin} answers in ${elapsed(probe.tookMs)}, version ${probe.answer.version}`,
        });
        findings.push(checkClock(endpoint.origin, probe), ...(await checkMember(session, endpoint.origin)));
        const aheadMs = aheadOf(probe) ?? 0;
        if (Math.abs(aheadMs) >= SKEW_WARN_MS) skewMs = aheadMs;
        actor = probe.answer.actor;
      } catch (error) {
        if (asFailure(error) === undefined) throw error;
        if (answersWithoutStore(error)) {
          const member = await checkMember(session, endpoint.origin);
          const finding = `${endpoint.origin} answers`;
          findings.push(
            member.length > 0
              ? { check: 'address', level: 'ok', finding }
              : { check: 'address', level: 'error', finding: `${finding}: ${(error as Error).message}` },
            ...member,
          );
          return;
        }
        findings.push({
          check: 'address',
          level: endpoints.length > 1 ? 'warning' : 'error',
          finding: unreached(endpoint.origin, error as Error),
          next: 'boi-node join, or boi-node dev, on that host; or boi-node context add with the right address',
        });
      }
    }),
  );
  if (clusters.size > 1) {
    findings.push({
      check: 'address',
      level: 'error',
      finding: `the addresses belong to ${clusters.size} different clusters: ${[...clusters].join(', ')}`,
      next: 'boi-node context add, one for each cluster',
    });
  }
  return { reachable: clusters.size > 0, skewMs, actor };
}

/** One address of several: that no node of the cluster can be reached, as the client says, need not be so. */
function unreached(origin: string, { message, cause }: Error): string {
  return cause instanceof Error ? `${origin} cannot be reached (${cause.message})` : message;
}

async function checkCertificates(session: Session, actor: ActorView): Promise<Finding[]> {
  const now = session.io.now();
  const findings = checkCa(await session.client.call('ca.show', {}), now);
  if (actor.role === 'admin' && actor.project === undefined)
    findings.push(...checkUsers((await session.client.call('user.list', {})).items, now));
  return findings;
}

/** Whole seconds, cut off: on average half a second later. */
function aheadOf({ serverTime, localTime }: Probe): number | undefined {
  return serverTime === undefined ? undefined : serverTime + 500 - localTime;
}

function checkClock(origin: string, probe: Probe): Finding {
  const aheadMs = aheadOf(probe);
  if (aheadMs === undefined) return { check: 'clock', level: 'warning', finding: `${origin} does not tell its time` };
  const skewMs = Math.abs(aheadMs);
  if (skewMs < SKEW_WARN_MS) return { check: 'clock', level: 'ok', finding: `${origin} agrees with this machine` };
  return {
    check: 'clock',
    level: skewMs >= SKEW_ERROR_MS ? 'error' : 'warning',
    finding: `${origin} and this machine differ by ${elapsed(skewMs)}; times shown and not-before times are off, claims are not`,
    next: 'timedatectl status, on both',
  };
}

async function checkDisk(session: Session): Promise<Finding> {
  const directory = session.io.env.BOI_DATA_DIR || '.';
  try {
    const { bavail, blocks, bsize } = await statfs(directory);
    const free = blocks === 0 ? 1 : bavail / blocks;
    const finding = `${bytes(bavail * bsize)} free (${Math.floor(free * 100)}%) for ${directory} on this machine`;
    if (free >= DISK_WARN) return { check: 'disk', level: 'ok', finding };
    return {
      check: 'disk',
      level: free < DISK_ERROR ? 'error' : 'warning',
      finding,
      next: 'boi-node logs sweep --dry-run',
    };
  } catch (error) {
    return { check: 'disk', level: 'warning', finding: `${directory}: ${(error as Error).message}` };
  }
}

async function checkCluster({ store, paused, unassigned, nodes }: ClusterView): Promise<Finding[]> {
  const findings: Finding[] = [];
  if (store === undefined) return findings;
  const size = `${store.version}, ${bytes(store.dbBytesInUse)} in use of ${bytes(store.dbBytes)}`;
  if (store.alarms.length > 0) {
    findings.push({
      check: 'store',
      level: 'error',
      finding: `alarm ${store.alarms.join(', ')}: it takes no writes`,
      next: 'etcdctl compact, etcdctl defrag, then etcdctl alarm disarm',
    });
  } else if (store.dbBytes > STORE_WARN_BYTES)
    findings.push({ check: 'store', level: 'warning', finding: size, next: 'etcdctl defrag' });
  else findings.push({ check: 'store', level: 'ok', finding: size });
  if (paused)
    findings.push({ check: 'claims', level: 'warning', finding: 'claims are paused', next: 'boi-node cluster resume' });
  if (nodes.ready === 0)
    findings.push({ check: 'nodes', level: 'error', finding: 'no node takes work', next: 'boi-node node list' });
  if (unassigned !== undefined && unassigned > 0) {
    findings.push({
      check: 'waiting work',
      level: 'warning',
      finding: `${unassigned} tasks that no live node can run`,
      next: 'boi-node task list SPEC --state waiting',
    });
  }
  return findings;
}

async function checkNodes(nodes: readonly NodeView[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const node of nodes) {
    const name = displayName(node.name, node.id);
    if (node.state === 'dead')
      findings.push({
        check: 'nodes',
        level: 'warning',
        finding: `${name} is dead and left work or settings`,
        // Removed, it needs a token to come back.
        next: `boi-node join, on that host; if it will not come back: boi-node node remove ${node.id}`,
      });
    else if (node.state === 'cooling' || node.state === 'degraded') {
      findings.push({
        check: 'nodes',
        level: 'warning',
        finding: `${name} is ${node.state}${node.ailments === undefined ? '' : `: ${node.ailments.join('; ')}`}`,
        next: `boi-node ${node.ailments === undefined ? `node show ${node.id}` : `plugin list --node ${node.id}`}`,
      });
    }
  }
  // Dead ones have none.
  const told = nodes.flatMap((n) => (n.version === undefined ? [] : [n.version]));
  const versions = new Set(told);
  const others = [...versions].filter((v) => v !== VERSION);
  findings.push(
    others.length === 0
      ? { check: 'versions', level: 'ok', finding: `${told.length} nodes and this command have version ${VERSION}` }
      : {
          check: 'versions',
          level: 'warning',
          finding: `this command is ${VERSION}, nodes have ${[...versions].join(', ')}`,
          next: 'boi-node node list -o wide',
        },
  );
  return findings;
}

/** The oldest active spec with a task that is queued: its age bounds how long a task has waited. */
async function checkUnclaimed(session: Session): Promise<Finding[]> {
  const prj = session.project;
  const check = 'waiting work';
  const { items } = await session.client.call('spec.list', {
    params: { prj },
    query: { state: 'active', limit: SPECS_MAX },
  });
  for (const spec of [...items].reverse()) {
    const { items: queued } = await session.client.call('spec.tasks', {
      params: { prj, spc: spec.id },
      query: { state: 'queued', limit: 1 },
    });
    const [task] = queued;
    if (task === undefined) continue;
    const now = session.io.now();
    return [
      {
        check,
        level: now - spec.createdAt > UNCLAIMED_WARN_MS ? 'warning' : 'ok',
        finding: `the oldest unclaimed task is ${escapeName(task.ref)} of ${displayName(spec.name, spec.id)}, dispatched ${relative(spec.createdAt, now)}`,
        next: `boi-node task show ${task.id}`,
      },
    ];
  }
  return [{ check, level: 'ok', finding: 'no task is queued' }];
}

async function present(session: Session, findings: readonly Finding[]): Promise<void> {
  const { format, out } = session;
  if (format === 'json' || format === 'yaml') return session.print(await renderData(format, findings));
  const colour = { ok: out.green, warning: out.yellow, error: out.red };
  await session.print(
    renderTable(
      findings,
      [
        { title: 'CHECK', cell: (f) => f.check },
        { title: 'RESULT', cell: (f) => f.level, paint: (_, text) => colour[text.trim() as Level](text) },
        { title: 'FINDING', cell: (f) => f.finding },
        { title: 'NEXT', cell: (f) => f.next ?? ' ' },
      ],
      { wide: format === 'wide', paint: out },
    ),
  );
}

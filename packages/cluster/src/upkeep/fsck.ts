/**
 * "Nothing lost, nothing twice" as one query: reads everything at one revision, protected by a hold, a page at a time, with
 * one byte of memory per task. For each spec past `writing`: every index up to the cursor has exactly one record among
 * blocked, queued and result, and none above has; a finished spec has results only; an archived one none. Beside that: records
 * of specs and nodes that do not exist, a cluster that was never founded or whose store was emptied, indexes and locks that point nowhere, slots of a concurrency key that no claim holds, and
 * claims that do not hold theirs.
 */
import {
  assert,
  BoiError,
  type FsckReport,
  indexOf,
  isId,
  type NodeId,
  parseId,
  type SpecId,
  specOf,
  type TaskId,
  taskId,
} from '@boi/core';
import { absent, type KeyValue, type Revision } from '@boi/store';
import type { NodeDeps } from '../deps.ts';
import { type KeyRange, lastPart } from '../keys.ts';
import { heldLock } from '../placement/move.ts';
import { needOf } from '../provision/need.ts';
import { provisionCodec, provisionedCodec } from '../provision/records.ts';
import { codecs, SCHEMA_VERSION, type SpecHeader } from '../records.ts';
import { isFinalSpec } from '../spec/spec-ref.ts';

/** The hold ends by itself if this node dies while it reads. */
const HOLD_TTL_MS = 60_000;
/** Findings told; a broken store could have one per record. */
const FINDINGS_MAX = 1_000;

type Finding = FsckReport['findings'][number];

interface Checked {
  readonly state: SpecHeader['state'];
  readonly cursor: number;
  readonly tasks: number;
  readonly archived: boolean;
  readonly coordinator: NodeId | undefined;
  readonly idempotency: string | undefined;
  readonly name: string | undefined;
  /** Records seen of each index. */
  readonly seen: Uint8Array;
}

export async function fsck(deps: NodeDeps): Promise<FsckReport> {
  const { ctx, session } = deps;
  const { store, keys } = ctx;
  const granted = await store.grantLease(HOLD_TTL_MS);
  if (granted.outcome === 'unknown') throw granted.cause;
  const { revision } = await store.get(keys.cluster());
  const hold = keys.hold(`fsck-${session.node}-${granted.lease}`);
  const put = await store.txn({
    compares: [absent(hold)],
    success: [
      {
        op: 'put',
        key: hold,
        value: codecs.hold.encode({ v: SCHEMA_VERSION, revision, why: 'fsck' }),
        lease: granted.lease,
      },
    ],
  });
  if (put.outcome === 'unknown') throw put.cause;
  assert(put.outcome === 'applied', 'a lease id names one hold');
  let aliveAt = ctx.clock.mono();
  try {
    return await new Check(deps, revision, async () => {
      if (ctx.clock.mono() - aliveAt < HOLD_TTL_MS / 3) return;
      aliveAt = ctx.clock.mono();
      const alive = await store.keepAlive(granted.lease);
      if (alive.outcome === 'expired') throw new BoiError('unavailable', 'the check took too long; try again');
    }).run();
  } finally {
    await store.revokeLease(granted.lease);
  }
}

class Check {
  readonly #deps: NodeDeps;
  readonly #revision: Revision;
  readonly #alive: () => Promise<void>;
  readonly #findings: Finding[] = [];
  readonly #specs = new Map<SpecId, Checked>();
  readonly #nodes = new Set<string>();
  readonly #records = { blocked: 0, queued: 0, results: 0 };
  /** Slots that claims say they hold: the lock's key and the claim's nonce, and the task. */
  readonly #held = new Map<string, TaskId>();
  #tasks = 0;

  constructor(deps: NodeDeps, revision: Revision, alive: () => Promise<void>) {
    this.#deps = deps;
    this.#revision = revision;
    this.#alive = alive;
  }

  async run(): Promise<FsckReport> {
    const { keys } = this.#deps.ctx;
    await this.#founded();
    await this.#each(keys.nodes(), true, (kv) => void this.#nodes.add(kv.key.slice(keys.nodes().start.length)));
    await this.#each(keys.allSpecs(), false, (kv) => this.#header(kv));
    await this.#each(keys.allBlocked(), true, (kv) => this.#record('blocked', kv.key, keys.allBlocked()));
    await this.#each(keys.allQueues(), false, (kv) => this.#entry(kv));
    await this.#each(keys.allResults(), true, (kv) => this.#record('results', kv.key, keys.allResults()));
    for (const [spc, checked] of this.#specs) this.#count(spc, checked);
    await this.#orphans();
    await this.#provisions();
    const clean = !this.#findings.some(({ severity }) => severity === 'error');
    return {
      revision: this.#revision,
      specs: this.#specs.size,
      tasks: this.#tasks,
      records: this.#records,
      clean,
      findings: this.#findings,
    };
  }

  /** An empty store has no fault in it, and is the worst there is. */
  async #founded(): Promise<void> {
    const { keys } = this.#deps.ctx;
    for (const key of [keys.cluster(), keys.incarnation()]) {
      let there = false;
      await this.#each({ start: key, end: `${key} ` }, true, () => {
        there = true;
      });
      if (!there)
        this.#find(
          'cluster-record-missing',
          'error',
          key,
          'is not in the store: it was emptied, or is not this cluster’s',
        );
    }
  }

  async #each(range: KeyRange, keysOnly: boolean, visit: (kv: KeyValue) => void): Promise<void> {
    const { store } = this.#deps.ctx;
    for (let start = range.start; ; ) {
      const page = await store.range({ start, end: range.end, revision: this.#revision, keysOnly });
      for (const kv of page.kvs) {
        try {
          visit(kv);
        } catch (error) {
          this.#find('unreadable-record', 'error', kv.key, error instanceof Error ? error.message : String(error));
        }
      }
      await this.#alive();
      if (!page.more) return;
      start = `${page.kvs.at(-1)?.key ?? start} `;
    }
  }

  #header(kv: KeyValue): void {
    const spc = parseId('spec', kv.key.slice(kv.key.lastIndexOf('/') + 1));
    if (spc === undefined) {
      this.#find('malformed-key', 'error', kv.key, 'is no key of a spec');
      return;
    }
    const { state, cursor, tasks, archived, coordinator, idempotency, name } = codecs.spec.decode(kv.key, kv.value);
    const seen = new Uint8Array(archived === undefined ? tasks + 1 : 0);
    this.#specs.set(spc, {
      state,
      cursor,
      tasks,
      archived: archived !== undefined,
      coordinator,
      idempotency,
      name,
      seen,
    });
    this.#tasks += tasks;
  }

  #entry(kv: KeyValue): void {
    const range = this.#deps.ctx.keys.allQueues();
    const [owner = '', id = ''] = kv.key.slice(range.start.length).split('/');
    if (owner !== 'unassigned' && !isId(owner, 'node')) {
      this.#find('unknown-queue', 'error', kv.key, 'is in a queue of neither a node nor `unassigned`');
    } else if (owner !== 'unassigned' && !this.#nodes.has(owner)) {
      this.#find('dead-queue', 'warning', kv.key, `node ${owner} has no session; its queue waits to be taken over`);
    }
    const entry = codecs.entry.decode(kv.key, kv.value);
    const lock = heldLock(this.#deps.ctx.keys, entry);
    if (lock !== undefined && entry.claim !== undefined) this.#held.set(`${lock} ${entry.claim.nonce}`, id as TaskId);
    this.#records.queued++;
    this.#see(id, kv.key, 'queued');
  }

  #record(kind: 'blocked' | 'results', key: string, range: KeyRange): void {
    const [spc = '', id = ''] = key.slice(range.start.length).split('/');
    this.#records[kind]++;
    if (isId(id, 'task') && specOf(id) !== spc) {
      this.#find('malformed-key', 'error', key, 'names a task of another spec');
      return;
    }
    this.#see(id, key, kind);
  }

  #see(id: string, key: string, kind: 'blocked' | 'queued' | 'results'): void {
    if (!isId(id, 'task')) {
      this.#find('malformed-key', 'error', key, 'names no task');
      return;
    }
    const spec = this.#specs.get(specOf(id));
    if (spec === undefined) {
      this.#find('record-of-unknown-spec', 'error', id, `${key}: there is no spec ${specOf(id)}`);
      return;
    }
    const index = indexOf(id);
    if (spec.archived) {
      this.#find('record-of-archived-spec', 'error', id, `${key}: its spec is archived`);
    } else if (index < 1 || index > spec.tasks) {
      this.#find('task-outside-spec', 'error', id, `${key}: its spec has ${spec.tasks} tasks`);
    } else {
      spec.seen[index] = Math.min(255, (spec.seen[index] as number) + 1);
      if (isFinal(spec.state) && kind !== 'results') {
        this.#find('open-task-of-ended-spec', 'error', id, `${key}: its spec is ${spec.state}`);
      }
    }
  }

  #count(spc: SpecId, { cursor, tasks, archived, seen, state }: Checked): void {
    if (archived) return;
    for (let index = 1; index <= tasks; index++) {
      const count = seen[index] as number;
      if (index <= cursor && count === 1) continue;
      if (index > cursor && count === 0) continue;
      const id = taskId(spc, index);
      if (index > cursor)
        this.#find('record-above-cursor', 'error', id, `has a record; ${spc} is dispatched to ${cursor}`);
      else if (count === 0) this.#find('task-without-record', 'error', id, `has no record; ${spc} is ${state}`);
      else this.#find('task-with-several-records', 'error', id, `has ${count} records`);
    }
    if (isFinal(state) && cursor < tasks) {
      this.#find('ended-before-dispatched', 'error', spc, `is ${state} with ${cursor} of ${tasks} tasks dispatched`);
    }
  }

  async #orphans(): Promise<void> {
    const { keys } = this.#deps.ctx;
    await this.#each(keys.allCoords(), false, ({ key, value }) => {
      codecs.coord.decode(key, value);
      const [node = '', spc = ''] = key.slice(keys.allCoords().start.length).split('/');
      const spec = this.#specs.get(spc as SpecId);
      if (spec === undefined || isFinal(spec.state) || spec.coordinator !== node) {
        this.#find('orphan-coordinator', 'warning', key, 'its spec is not coordinated by this node');
      }
    });
    await this.#each(keys.allSpecBodies(), true, ({ key }) => {
      const [spc = ''] = key.slice(keys.allSpecBodies().start.length).split('/');
      if (!this.#specs.has(spc as SpecId)) this.#find('orphan-body', 'warning', key, 'its spec does not exist');
    });
    await this.#each(keys.allNames(), true, ({ key }) => {
      const [, kind, name = '', id = ''] = key.slice(keys.allNames().start.length).split('/');
      if (kind !== 'spec') return;
      const spec = this.#specs.get(id as SpecId);
      if (spec?.name !== decodeURIComponent(name)) {
        this.#find('orphan-name', 'warning', key, 'no spec of this id has this name');
      }
    });
    await this.#each(keys.allIdempotency(), false, ({ key, value }) => {
      const { spec } = codecs.idempotency.decode(key, value);
      if (!this.#specs.has(spec)) this.#find('orphan-idempotency-key', 'warning', key, `there is no spec ${spec}`);
    });
    await this.#each(keys.allLocks(), false, ({ key, value }) => {
      const { task, nonce } = codecs.lock.decode(key, value);
      const spec = this.#specs.get(specOf(task as TaskId));
      const claimed = this.#held.delete(`${key} ${nonce}`);
      if (spec === undefined || isFinal(spec.state)) {
        this.#find('orphan-lock', 'error', key, `is held by ${task}, which does not run`);
      } else if (!claimed) {
        this.#find('leaked-lock', 'error', key, `is held by a claim of ${task} that there is no more`);
      }
    });
    for (const [lock, task] of this.#held) {
      this.#find('lock-not-held', 'error', task, `runs without its slot ${lock.slice(0, lock.indexOf(' '))}`);
    }
    await this.#each(keys.allArchives(), true, ({ key }) => {
      const [, spc = ''] = key.slice(keys.allArchives().start.length).split('/');
      if (!this.#specs.has(spc as SpecId)) this.#find('orphan-archive', 'warning', key, 'its spec does not exist');
    });
  }

  async #provisions(): Promise<void> {
    const { keys } = this.#deps.ctx;
    await this.#each(keys.provisions(), false, ({ key, value }) => {
      const { requires, slots } = provisionCodec.decode(key, value);
      if (needOf({ requires, slots })?.hash !== lastPart(key))
        this.#find('malformed-key', 'error', key, 'is not the hash of what the record requires');
    });
    await this.#each(keys.allProvisioned(), false, ({ key, value }) => {
      const { node } = provisionedCodec.decode(key, value);
      if (!this.#nodes.has(node))
        this.#find('provisioned-node-away', 'warning', key, `node ${node} has no session; its provisioner removes it`);
    });
  }

  #find(kind: string, severity: Finding['severity'], subject: string, message: string): void {
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push({ kind, severity, subject, message });
  }
}

function isFinal(state: SpecHeader['state']): boolean {
  return isFinalSpec({ state });
}

/**
 * Accepts specs. A spec whose records and body fit one transaction is written by one: it is there, whole, or not at all. A
 * larger one goes through the states of its header:
 *
 *   writing ──body complete──► dispatching ──cursor = tasks──► active
 *
 * The first transaction creates the header only if absent (a minted id that is taken is minted again), the idempotency key,
 * the name index and the coordinator's key, comparing the coordinator's node unchanged, so that whatever happens to this
 * node somebody knows of the spec: while `writing` it frees everything once this session is gone, while `dispatching` it
 * goes on where this node stopped (resume.ts). The caller is answered at `dispatching`: from there the spec always finishes.
 *
 * A lost reply: the identical transaction is sent again; refused then, the header or the idempotency record that is found
 * carries this request's spec id, digest and time, and so tells "mine" from "theirs".
 */
import {
  BoiError,
  type DispatchAnswer,
  type DispatchBody,
  IdMinter,
  type ProjectId,
  type SpecDefinition,
  type SpecId,
  sleep,
  taskId,
} from '@boi/core';
import { absent, type Compare, type Op, REQUEST_BYTES_MAX, type Revision, TXN_OPS_MAX, unchanged } from '@boi/store';
import type { Actor } from '../api/api-types.ts';
import { findProject } from '../api/node-admin.ts';
import { digestOf, keyHash } from '../base/hash.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { codecs, type IdempotencyRecord, SCHEMA_VERSION, type SpecHeader, type Stored } from '../records.ts';
import { ChunkList, freshTasks } from './chunk-list.ts';
import { freshRecords, startsReady } from './fresh-records.ts';
import { readSpec } from './read-spec.ts';
import { freeWriting, writeRecords } from './resume.ts';
import type { EncodedChunk } from './spec-body.ts';
import { coordinatorFor, gotten, readHeader, type SpecRef } from './spec-ref.ts';

/** A definition up to this size travels in the queue entry of a one-task spec (and in its header). */
export const INLINE_BYTES_MAX = 2048;
/** Longest a caller waits for the store before it is told that the outcome is not known. */
const ACCEPT_WITHIN_MS = 30_000;
/** Another request with the same idempotency key may still be writing its body. */
const WRITING_WAIT_MS = 10_000;
const WRITING_POLL_MS = 100;
/** Placed anew this often because a node went away between the view and the transaction. */
const PLACE_TRIES_MAX = 30;
const PLACE_AGAIN_MS = 50;
const RECORDS_AGAIN_MS = 1_000;

export interface SpecRequest {
  readonly project: ProjectId;
  readonly spec: SpecDefinition;
  /** Of the content: the same idempotency key with another digest is refused. */
  readonly digest: string;
  readonly idempotencyKey?: string;
  readonly actor?: Actor;
  readonly retryOf?: SpecId;
}

type Accepted = { readonly outcome: 'accepted'; readonly header: Stored<SpecHeader> };
type Opening =
  | Accepted
  | { readonly outcome: 'existing'; readonly record: IdempotencyRecord }
  | { readonly outcome: 'id-taken' }
  | { readonly outcome: 'moved' };

/** How far an acceptance has come, for whoever stops waiting for it: once something was sent it may yet be applied. */
export interface AcceptProgress {
  /** Nothing is sent any more once it aborts, unless something was sent before. */
  readonly signal: AbortSignal;
  /** The id under which it was sent. */
  sent?: SpecId;
  /** When the store last answered it, on the monotonic clock. */
  answeredMono?: number;
}

interface Draft extends SpecRef {
  readonly request: SpecRequest;
  readonly progress: AcceptProgress | undefined;
  readonly createdAt: number;
  readonly idempotencyHash: string | undefined;
}

export class Dispatcher {
  readonly #deps: NodeDeps;
  readonly #minter: IdMinter;
  readonly #stopping = new AbortController();
  readonly #background = new Set<Promise<void>>();

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#minter = new IdMinter(deps.ctx.clock, deps.ctx.random);
  }

  /** Ends what goes on in the background; a coordinator resumes it once this session is gone. */
  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping; ask another', { retryAfterS: 1 }));
    await Promise.all(this.#background);
  }

  /** Resolves when everything accepted so far has its records, or was taken over by another node. */
  async idle(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  async dispatch(
    project: ProjectId,
    body: DispatchBody,
    actor?: Actor,
    progress?: AcceptProgress,
  ): Promise<DispatchAnswer> {
    const { spec, digest, project: named } = readSpec(body);
    if (named !== undefined && (await findProject(this.#deps, named)).id !== project) {
      throw new BoiError('invalid-spec', `the file is for project ${named}, the request for ${project}`, {
        issues: [{ path: '/project', message: `names another project than the request; dispatch it to ${named}` }],
      });
    }
    const request: SpecRequest = {
      project,
      spec,
      digest,
      ...(body.idempotencyKey === undefined ? {} : { idempotencyKey: body.idempotencyKey }),
      ...(actor === undefined ? {} : { actor }),
    };
    return this.accept(request, progress);
  }

  /** Throws `idempotency-conflict`, `unavailable` (no live session, no node to coordinate), `outcome-unknown`, `store-unreachable`. */
  async accept(request: SpecRequest, progress?: AcceptProgress): Promise<DispatchAnswer> {
    const { ctx, session } = this.#deps;
    session.compares();
    this.#stopping.signal.throwIfAborted();
    // A caller that stops waiting ends nothing: what was sent may yet be applied, and only this node, as long as its session
    // lives, brings a spec that it began to be dispatched, or removes it.
    const accepting = this.#accept(request, this.#stopping.signal, progress);
    const settled = () => void this.#background.delete(work);
    const work: Promise<void> = accepting.then(settled, settled);
    this.#background.add(work);
    return new Promise((resolve, reject) => {
      const timer = ctx.clock.timer(ACCEPT_WITHIN_MS, () =>
        reject(
          new BoiError('outcome-unknown', 'the store gave no definite answer; send the same request again', {
            retryAfterS: 2,
          }),
        ),
      );
      accepting.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  async #accept(
    request: SpecRequest,
    signal: AbortSignal,
    progress: AcceptProgress | undefined,
  ): Promise<DispatchAnswer> {
    const { ctx } = this.#deps;
    const digest = digestOf(request.project, request.digest, request.retryOf ?? '');
    const chunks = new ChunkList(request.spec.tasks);
    let spc = this.#minter.mint('spec');
    for (let tries = 0; tries < PLACE_TRIES_MAX; tries++) {
      const draft: Draft = {
        prj: request.project,
        spc,
        request: { ...request, digest },
        progress,
        createdAt: ctx.clock.now(),
        idempotencyHash: request.idempotencyKey === undefined ? undefined : keyHash(request.idempotencyKey),
      };
      const opening = (await this.#whole(draft, chunks, signal)) ?? (await this.#inParts(draft, chunks, signal));
      if (opening.outcome === 'accepted') return answerOf(draft, false);
      if (opening.outcome === 'id-taken') {
        spc = this.#minter.mint('spec');
      } else if (opening.outcome === 'existing') {
        const existing = await this.#existing(draft, opening.record, signal);
        if (existing !== undefined) return existing;
      } else {
        await sleep(ctx.clock, PLACE_AGAIN_MS, signal);
      }
    }
    throw new BoiError('unavailable', 'the membership changes too fast to place the spec; try again', {
      retryAfterS: 2,
    });
  }

  /** One transaction for everything; undefined when the spec does not fit one. */
  async #whole(draft: Draft, chunks: ChunkList, signal: AbortSignal): Promise<Opening | undefined> {
    const { ctx } = this.#deps;
    const { tasks, concurrency } = draft.request.spec;
    if (tasks.length > ctx.config.dispatchChunk) return undefined;
    const [only] = tasks;
    const single = tasks.length === 1 && concurrency === undefined && only !== undefined && startsReady(only);
    const inline = single && Buffer.byteLength(JSON.stringify(only)) <= INLINE_BYTES_MAX;
    const body = inline ? [] : chunks.all();
    const bodyBytes = body.reduce((sum, { value }) => sum + value.length, 0);
    if (bodyBytes > REQUEST_BYTES_MAX / 2) return undefined;
    const coordinator = single ? undefined : this.#coordinator(draft.spc);
    const header: SpecHeader = {
      ...this.#header(draft),
      state: 'active',
      cursor: tasks.length,
      chunks: body.length,
      ...(coordinator === undefined ? {} : { coordinator: coordinator.member.id }),
      ...(inline ? { def: only as unknown as Record<string, unknown> } : {}),
    };
    const opening = this.#openingParts(draft, header, coordinator);
    const records = freshRecords(freshTasks(tasks, inline ? undefined : body), {
      keys: ctx.keys,
      prj: draft.prj,
      spc: draft.spc,
      placer: await this.#deps.placer(),
      nowMs: draft.createdAt,
      recordsMax: ctx.config.dispatchChunk,
      opsUsed: opening.ops.length + body.length,
      comparesUsed: opening.compares.length,
      bytesUsed: bodyBytes,
      free: concurrency ?? Number.POSITIVE_INFINITY,
      ...(single ? { single } : {}),
    });
    if (records.count < tasks.length) return undefined;
    const answer = await this.#open(
      draft,
      header,
      [...opening.compares, ...records.compares],
      [...opening.ops, ...body.map((chunk) => bodyPut(this.#deps, draft, chunk)), ...records.ops],
      signal,
    );
    if (answer.outcome === 'accepted') {
      ctx.emit({ kind: 'spec.started', project: draft.prj, spec: draft.spc, tasks: tasks.length });
      records.places.forEach((queue, i) => {
        ctx.emit({
          kind: 'task.dispatched',
          project: draft.prj,
          spec: draft.spc,
          task: taskId(draft.spc, i + 1),
          ...(queue === undefined ? {} : { queue }),
        });
      });
    }
    return answer;
  }

  /** Header, then body, then answer; the records follow in the background. */
  async #inParts(draft: Draft, chunks: ChunkList, signal: AbortSignal): Promise<Opening> {
    const { ctx, self, session } = this.#deps;
    const epoch = session.epoch();
    if (epoch === undefined) throw new BoiError('unavailable', 'this node has no live session', { retryAfterS: 1 });
    const coordinator = this.#coordinator(draft.spc);
    const header: SpecHeader = {
      ...this.#header(draft),
      state: 'writing',
      dispatcher: { node: self, epoch },
      coordinator: coordinator.member.id,
    };
    const { compares, ops } = this.#openingParts(draft, header, coordinator);
    // The dispatcher may be its own coordinator; the same record is then compared once.
    const own = session.compares().filter((compare) => !compares.some(({ key }) => key === compare.key));
    const opening = await this.#open(draft, header, [...compares, ...own], ops, signal);
    if (opening.outcome !== 'accepted') return opening;
    let accepted: Stored<SpecHeader>;
    try {
      accepted = await this.#writeBody(draft, opening.header, chunks, signal);
    } catch (error) {
      this.#run(freeWriting(this.#deps, draft, opening.header, this.#stopping.signal));
      throw error;
    }
    ctx.emit({ kind: 'spec.started', project: draft.prj, spec: draft.spc, tasks: header.tasks });
    this.#run(this.#writeRecords(draft, accepted, chunks));
    return { outcome: 'accepted', header: accepted };
  }

  /** Until all have theirs or somebody else goes on. What the store refuses for another reason (it is full) is tried again. */
  async #writeRecords(draft: Draft, accepted: Stored<SpecHeader>, chunks: ChunkList): Promise<void> {
    const { ctx } = this.#deps;
    const { signal } = this.#stopping;
    const { prj, spc } = draft;
    const own = accepted.record.dispatcher;
    let header: Stored<SpecHeader> | undefined = accepted;
    for (;;) {
      try {
        const dispatcher = header?.record.dispatcher;
        if (header?.record.state !== 'dispatching' || dispatcher?.epoch !== own?.epoch) return;
        await writeRecords(this.#deps, { prj, spc }, header, chunks.bodies(), signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        ctx.log.warn({ err: error, spec: spc }, 'a dispatch is held up; trying again');
        await sleep(ctx.clock, RECORDS_AGAIN_MS, signal);
        header = await readHeader(ctx, draft).catch(() => header);
      }
    }
  }

  /** Puts the chunks, several a request, and moves the header on. Throws when somebody freed the spec meanwhile. */
  async #writeBody(
    draft: Draft,
    header: Stored<SpecHeader>,
    chunks: ChunkList,
    signal: AbortSignal,
  ): Promise<Stored<SpecHeader>> {
    const { ctx } = this.#deps;
    const key = ctx.keys.spec(draft.prj, draft.spc);
    const compares = [unchanged(key, header.modRevision)];
    const flush = async (ops: readonly Op[]) => {
      const answer = await settleTxn(ctx, signal, { compares, success: ops });
      this.#answered(draft);
      if (answer.outcome === 'refused') throw interrupted();
    };
    let ops: Op[] = [];
    let bytes = 0;
    let count = 0;
    for (const chunk of chunks) {
      if (bytes + chunk.value.length > REQUEST_BYTES_MAX - 64 * 1024 || ops.length === TXN_OPS_MAX) {
        await flush(ops);
        ops = [];
        bytes = 0;
      }
      ops.push(bodyPut(this.#deps, draft, chunk));
      bytes += chunk.value.length + 512;
      count++;
    }
    if (ops.length > 0) await flush(ops);
    const record: SpecHeader = { ...header.record, state: 'dispatching', chunks: count };
    const answer = await settleTxn(ctx, signal, {
      compares,
      success: [{ op: 'put', key, value: codecs.spec.encode(record) }],
      failure: [{ op: 'get', key }],
    });
    if (answer.outcome === 'applied') return { ...header, record, modRevision: answer.revision };
    const found = gotten(codecs.spec, answer.answers[0]);
    if (answer.resent && found?.createRevision === header.createRevision && found.record.state !== 'writing') {
      return found;
    }
    throw interrupted();
  }

  #header(draft: Draft): SpecHeader {
    const { request, createdAt } = draft;
    const { spec, digest, idempotencyKey, actor, retryOf } = request;
    return {
      v: SCHEMA_VERSION,
      ...(spec.name === undefined ? {} : { name: spec.name }),
      state: 'active',
      cursor: 0,
      tasks: spec.tasks.length,
      chunks: 0,
      counts: { succeeded: 0, failed: 0, cancelled: 0, skipped: 0 },
      failure: spec.failurePolicy,
      ...(spec.concurrency === undefined ? {} : { concurrency: spec.concurrency }),
      ...(actor === undefined ? {} : { actor: actor.name }),
      digest,
      ...(idempotencyKey === undefined ? {} : { idempotency: keyHash(idempotencyKey) }),
      ...(retryOf === undefined ? {} : { retryOf }),
      createdAt,
    };
  }

  #openingParts(
    draft: Draft,
    header: SpecHeader,
    coordinator: { readonly compare: Compare } | undefined,
  ): { compares: Compare[]; ops: Op[] } {
    const { keys } = this.#deps.ctx;
    const { prj, spc, idempotencyHash } = draft;
    const key = keys.spec(prj, spc);
    const compares = [absent(key)];
    const ops: Op[] = [{ op: 'put', key, value: codecs.spec.encode(header) }];
    if (idempotencyHash !== undefined) {
      const idempotency = keys.idempotency(prj, idempotencyHash);
      compares.push(absent(idempotency));
      const record = { v: SCHEMA_VERSION, spec: spc, digest: header.digest, at: header.createdAt } as const;
      ops.push({ op: 'put', key: idempotency, value: codecs.idempotency.encode(record) });
    }
    if (header.name !== undefined) ops.push({ op: 'put', key: keys.name(prj, 'spec', header.name, spc), value: '' });
    if (coordinator !== undefined && header.coordinator !== undefined) {
      compares.push(coordinator.compare);
      const coord = keys.coord(header.coordinator, spc);
      ops.push({ op: 'put', key: coord, value: codecs.coord.encode({ v: SCHEMA_VERSION, prj }) });
    }
    return { compares, ops };
  }

  async #open(
    draft: Draft,
    header: SpecHeader,
    compares: readonly Compare[],
    success: readonly Op[],
    signal: AbortSignal,
  ): Promise<Opening> {
    const { ctx } = this.#deps;
    const key = ctx.keys.spec(draft.prj, draft.spc);
    const failure: Op[] = [{ op: 'get', key }];
    if (draft.idempotencyHash !== undefined) {
      failure.push({ op: 'get', key: ctx.keys.idempotency(draft.prj, draft.idempotencyHash) });
    }
    const { progress } = draft;
    if (progress !== undefined) {
      if (progress.sent === undefined) progress.signal.throwIfAborted();
      progress.sent = draft.spc;
    }
    const answer = await settleTxn(ctx, signal, { compares: distinct(compares), success, failure });
    this.#answered(draft);
    if (answer.outcome === 'applied') {
      const revision: Revision = answer.revision;
      return {
        outcome: 'accepted',
        header: { key, record: header, createRevision: revision, modRevision: revision },
      };
    }
    const found = gotten(codecs.spec, answer.answers[0]);
    if (found !== undefined) {
      const mine =
        answer.resent && found.record.digest === header.digest && found.record.createdAt === header.createdAt;
      return mine ? { outcome: 'accepted', header: found } : { outcome: 'id-taken' };
    }
    const idempotency = gotten(codecs.idempotency, answer.answers[1]);
    return idempotency === undefined ? { outcome: 'moved' } : { outcome: 'existing', record: idempotency.record };
  }

  /** The answer for a key that was used; undefined when what it stood for has been freed meanwhile. */
  async #existing(draft: Draft, record: IdempotencyRecord, signal: AbortSignal): Promise<DispatchAnswer | undefined> {
    const { ctx } = this.#deps;
    if (record.digest !== draft.request.digest) {
      throw new BoiError(
        'idempotency-conflict',
        `the idempotency key belongs to ${record.spec}, which had another content`,
        {
          details: { spec: record.spec },
        },
      );
    }
    const ref = { prj: draft.prj, spc: record.spec };
    for (let waitedMs = 0; waitedMs < WRITING_WAIT_MS; waitedMs += WRITING_POLL_MS) {
      const header = await readHeader(ctx, ref);
      this.#answered(draft);
      if (header === undefined) return undefined;
      if (header.record.state !== 'writing') return answerOf({ ...draft, spc: record.spec }, true);
      await sleep(ctx.clock, WRITING_POLL_MS, signal);
    }
    throw new BoiError('unavailable', `${record.spec} is still being written; send the same request again`, {
      retryAfterS: 2,
    });
  }

  #answered({ progress }: Draft): void {
    if (progress !== undefined) progress.answeredMono = this.#deps.ctx.clock.mono();
  }

  #coordinator(spc: SpecId): NonNullable<ReturnType<typeof coordinatorFor>> {
    const coordinator = coordinatorFor(this.#deps, spc);
    if (coordinator !== undefined) return coordinator;
    throw new BoiError('unavailable', 'no live node can coordinate the spec; try again', { retryAfterS: 1 });
  }

  #run(work: Promise<void>): void {
    const { log } = this.#deps.ctx;
    const task = work
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) log.error({ err: error }, 'a dispatch stopped in the background');
      })
      .finally(() => this.#background.delete(task));
    this.#background.add(task);
  }
}

function bodyPut(deps: NodeDeps, { spc }: SpecRef, chunk: EncodedChunk): Op {
  return { op: 'put', key: deps.ctx.keys.specBody(spc, chunk.n), value: chunk.value };
}

function distinct(compares: readonly Compare[]): Compare[] {
  return [...new Map(compares.map((compare) => [`${compare.target} ${compare.key}`, compare])).values()];
}

function answerOf(draft: Draft, existing: boolean): DispatchAnswer {
  const { name, tasks } = draft.request.spec;
  return {
    id: draft.spc,
    ...(name === undefined ? {} : { name }),
    project: { id: draft.prj },
    tasks: tasks.length,
    existing,
  };
}

function interrupted(): BoiError {
  return new BoiError('unavailable', 'the dispatch was interrupted before the spec was accepted; send it again', {
    retryAfterS: 1,
  });
}

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
 * The steps: draft.ts, open-spec.ts (through openings.ts), and accept-whole.ts or accept-in-parts.ts.
 */
import { BoiError, type DispatchAnswer, type DispatchBody, IdMinter, type ProjectId, sleep } from '@boi/core';
import type { Actor } from '../api/api-types.ts';
import { findProject } from '../api/node-admin.ts';
import { digestOf, keyHash } from '../base/hash.ts';
import type { NodeDeps } from '../deps.ts';
import type { IdempotencyRecord } from '../records.ts';
import { acceptInParts, dispatchRecords } from './accept-in-parts.ts';
import { acceptWhole } from './accept-whole.ts';
import { ChunkList } from './chunk-list.ts';
import { type AcceptProgress, answerOf, type Draft, type SpecRequest } from './draft.ts';
import type { AcceptDeps, Opening } from './open-spec.ts';
import { Openings } from './openings.ts';
import { readSpec } from './read-spec.ts';
import { freeWriting } from './resume.ts';
import { readHeader } from './spec-ref.ts';

/** Longest a caller waits for the store before it is told that the outcome is not known. */
const ACCEPT_WITHIN_MS = 30_000;
/** Another request with the same idempotency key may still be writing its body. */
const WRITING_WAIT_MS = 10_000;
const WRITING_POLL_MS = 100;
/** Placed anew this often because a node went away between the view and the transaction. */
const PLACE_TRIES_MAX = 30;
const PLACE_AGAIN_MS = 50;

export class Dispatcher {
  readonly #deps: AcceptDeps;
  readonly #minter: IdMinter;
  readonly #stopping = new AbortController();
  readonly #background = new Set<Promise<void>>();

  constructor(deps: NodeDeps) {
    this.#deps = { ...deps, openings: new Openings(deps.ctx, this.#stopping.signal) };
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
        createdAt: ctx.clock.now(),
        idempotencyHash: request.idempotencyKey === undefined ? undefined : keyHash(request.idempotencyKey),
        progress,
        answered: () => {
          if (progress !== undefined) progress.answeredMono = ctx.clock.mono();
        },
      };
      const opening =
        (await acceptWhole(this.#deps, draft, chunks, signal)) ?? (await this.#inParts(draft, chunks, signal));
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

  /** The records follow in the background. */
  async #inParts(draft: Draft, chunks: ChunkList, signal: AbortSignal): Promise<Opening> {
    const stopping = this.#stopping.signal;
    const opening = await acceptInParts(this.#deps, draft, chunks, signal, (header) =>
      this.#run(freeWriting(this.#deps, draft, header, stopping)),
    );
    if (opening.outcome === 'accepted') {
      this.#run(dispatchRecords(this.#deps, draft, opening.header, chunks, stopping));
    }
    return opening;
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
      draft.answered();
      if (header === undefined) return undefined;
      if (header.record.state !== 'writing') return answerOf({ ...draft, spc: record.spec }, true);
      await sleep(ctx.clock, WRITING_POLL_MS, signal);
    }
    throw new BoiError('unavailable', `${record.spec} is still being written; send the same request again`, {
      retryAfterS: 2,
    });
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

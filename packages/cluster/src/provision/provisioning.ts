/**
 * The duty of provisioning, on every node that has a provisioner: tasks that no live node is made for are grouped by what they
 * require, and the keeper of each need (keeper.ts) has its plugin make a node. What is next is decided by plan.ts, written by
 * changes.ts; here it is carried out, and what happens is told.
 *
 * The record is written before the plugin is called, and a request ends only when what it may have left is removed. So at any
 * revision there is at most one request for a need, whoever crashes when; and a call that may have been made is made again with
 * the same id. Calls run beside the loop, since a plugin may take minutes; each pass looks at everything anew.
 */
import { BoiError, type EventTrace, IdMinter, type ProvisionId, type Requirement, type TokenId } from '@boi/core';
import { ABSENT, compareRevisions, type Revision, type Txn } from '@boi/store';
import { Bell } from '../base/bell.ts';
import { Mirror } from '../base/mirror.ts';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { ClusterEvent } from '../events/cluster-event.ts';
import { type Keys, lastPart } from '../keys.ts';
import type { Member } from '../membership/membership-types.ts';
import { matches } from '../placement/placement.ts';
import { codecs, type QueueEntry, type Stored } from '../records.ts';
import { askTxn, closeTxn, failTxn, forgetTxn, fulfilTxn, hasRequest, takeTxn } from './changes.ts';
import { keeperOf } from './keeper.ts';
import { isMet, Needs, type Waiting } from './need.ts';
import { type Attempt, nextStep, type Seen, type Step } from './plan.ts';
import { type ProvisionerOptions, REQUEST_LABEL } from './ports.ts';
import { type Failure, type ProvisionRecord, provisionCodec, type RequestRecord } from './records.ts';
import { Stranded } from './stranded.ts';

/** It looks at everything at least this often: another clock than its own may make something due. */
const PASS_MS = 5_000;
/** After a pass that failed. */
const AGAIN_MS = 500;
/** After a call of the plugin that failed. */
const CALL_AGAIN_MS = 2_000;
/** Between a failed request and the next, for each that failed in a row. */
const REST_MS = 500;
/** A token outlives its request by this much: clocks differ. */
const TOKEN_SLACK_MS = 30_000;
const BOOTSTRAP_MAX = 16;

type Need = Stored<ProvisionRecord>;
type WithRequest = Need & { readonly record: { readonly request: RequestRecord } };

/** What a transaction brings about. */
interface Told {
  readonly event: ClusterEvent;
  /** The record that it compares. */
  readonly found: Need | undefined;
  /** The time it writes. */
  readonly nowMs: number;
}

/** When a record was first seen as it is, by both clocks, so that a wall clock that jumps errs once at most. */
interface FirstSeen {
  readonly modRevision: Revision;
  readonly mono: number;
  readonly wall: number;
}

export class Provisioning {
  readonly #deps: NodeDeps;
  readonly #options: ProvisionerOptions;
  readonly #minter: IdMinter;
  readonly #stopping = new AbortController();
  readonly #needs = new Needs();
  readonly #stranded: Stranded;
  readonly #attempts = new Map<ProvisionId, Attempt>();
  readonly #firstSeen = new Map<string, FirstSeen>();
  /** Own writes that the mirror may not show yet; and after a refusal, until when the mirror is given time. */
  readonly #wrote = new Map<string, Revision>();
  readonly #pausedUntilMono = new Map<string, number>();
  readonly #calls = new Set<Promise<void>>();
  readonly #bell: Bell;
  #mirrors: { readonly waiting: Mirror<QueueEntry>; readonly records: Mirror<ProvisionRecord> } | undefined;
  #running: Promise<void> | undefined;

  constructor(deps: NodeDeps, options: ProvisionerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#minter = new IdMinter(deps.ctx.clock, deps.ctx.random);
    this.#bell = new Bell(deps.ctx.clock);
    this.#stranded = new Stranded(deps);
  }

  start(): void {
    const unsubscribe = this.#deps.membership.onChange(() => this.#bell.ring());
    this.#running = this.#run().finally(unsubscribe);
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new BoiError('unavailable', 'this node is stopping', { retryAfterS: 1 }));
    this.#bell.ring();
    await this.#running;
    await Promise.all(this.#calls);
    const mirrors = this.#mirrors;
    this.#mirrors = undefined;
    await Promise.all([mirrors?.waiting.stop(), mirrors?.records.stop()]);
  }

  async #run(): Promise<void> {
    const { ctx, session } = this.#deps;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#bell.clear();
      let againMs = PASS_MS;
      try {
        if (session.epoch() !== undefined) againMs = Math.min(againMs, await this.#pass());
      } catch (error) {
        againMs = AGAIN_MS;
        if (!signal.aborted) ctx.log.warn({ err: error }, 'provisioning failed; trying again');
      }
      if (signal.aborted) return;
      await this.#bell.wait(Math.max(1, againMs));
    }
  }

  async #watch(): Promise<{ readonly records: Mirror<ProvisionRecord> }> {
    if (this.#mirrors !== undefined) return this.#mirrors;
    const { ctx } = this.#deps;
    const { relistMs } = ctx.config;
    const { keys } = ctx;
    const waiting = new Mirror({ ctx, range: keys.allUnassigned(), codec: codecs.entry, what: 'waiting', relistMs });
    const records = new Mirror({ ctx, range: keys.provisions(), codec: provisionCodec, what: 'provision', relistMs });
    waiting.onChange((changes) => {
      this.#needs.heard(changes, ctx.clock.mono());
      this.#bell.ring();
    });
    records.onChange(() => this.#bell.ring());
    this.#mirrors = { waiting, records };
    const stop = () => void Promise.all([waiting.stop(), records.stop()]);
    this.#stopping.signal.addEventListener('abort', stop, { once: true });
    try {
      await Promise.all([waiting.start(), records.start()]);
    } finally {
      this.#stopping.signal.removeEventListener('abort', stop);
    }
    return this.#mirrors;
  }

  /** One look at every need. Answers when to look again at the latest. */
  async #pass(): Promise<number> {
    const { self, membership } = this.#deps;
    const { records } = await this.#watch();
    this.#needs.heard(await this.#stranded.look(), this.#deps.ctx.clock.mono());
    const needs = new Map<string, Need | undefined>(this.#needs.all().map(({ hash }) => [hash, undefined]));
    for (const need of records.sorted()) needs.set(lastPart(need.key), need);
    let againMs = PASS_MS;
    const kept = new Set<ProvisionId>();
    for (const [hash, need] of needs) {
      const request = need?.record.request;
      if (keeperOf(hash, request?.by, membership.snapshot(), this.#options.tokens) !== self) continue;
      if (request !== undefined && (request.by === self || request.failed !== undefined)) kept.add(request.id);
      const behindMs = this.#behindMs(hash, records.revision);
      if (behindMs > 0) {
        againMs = Math.min(againMs, behindMs);
        for (const id of this.#attempts.keys()) kept.add(id);
        continue;
      }
      const waiting = this.#needs.get(hash);
      const step = nextStep(await this.#see(hash, need, waiting));
      if (step.do === 'nothing') againMs = Math.min(againMs, step.againMs ?? PASS_MS);
      else {
        againMs = 0;
        const begun = await this.#act(step, hash, need, waiting);
        if (begun !== undefined) kept.add(begun);
      }
    }
    for (const hash of this.#firstSeen.keys()) if (!needs.has(hash)) this.#firstSeen.delete(hash);
    for (const id of this.#attempts.keys()) if (!kept.has(id)) this.#drop(id);
    return againMs;
  }

  /** How long to wait until the mirror shows what was found or made of a need; it wakes the loop, too. */
  #behindMs(hash: string, shown: Revision): number {
    const wrote = this.#wrote.get(hash);
    if (wrote !== undefined && compareRevisions(shown, wrote) < 0) return PASS_MS;
    this.#wrote.delete(hash);
    const leftMs = (this.#pausedUntilMono.get(hash) ?? 0) - this.#deps.ctx.clock.mono();
    if (leftMs <= 0) this.#pausedUntilMono.delete(hash);
    return leftMs;
  }

  async #see(hash: string, need: Need | undefined, waiting: Waiting | undefined): Promise<Seen> {
    const { ctx, membership } = this.#deps;
    const { clock, config } = ctx;
    const nowMono = clock.mono();
    const snapshot = membership.snapshot();
    const wanted = waiting !== undefined && !isMet(need?.record ?? asRecord(waiting), snapshot);
    const first = this.#first(hash, need);
    const left = (atWall: number | undefined, mostMs: number) =>
      atWall === undefined ? 0 : Math.min(atWall - first.wall, mostMs) - (nowMono - first.mono);
    const record = need?.record;
    const attempt = record?.request === undefined ? undefined : this.#attempts.get(record.request.id);
    const failures = record?.failures ?? 0;
    const restMs = REST_MS * (((failures + config.provisionFailuresMax - 1) % config.provisionFailuresMax) + 1);
    const restLeftMs = failures === 0 ? 0 : restMs - (nowMono - first.mono);
    const paused = snapshot.cluster.paused !== undefined;
    return {
      record,
      waitedMs: wanted ? nowMono - waiting.sinceMono : undefined,
      restLeftMs: paused ? PASS_MS : Math.max(restLeftMs, left(record?.coolingUntil, config.provisionCooldownMs)),
      forgetLeftMs: left((record?.failedAt ?? first.wall) + config.provisionCooldownMs, config.provisionCooldownMs),
      deadlineLeftMs: left(record?.request?.deadlineAt, config.provisionDeadlineMs),
      attempt,
      againLeftMs: (attempt?.againMono ?? nowMono) - nowMono,
      joined: need !== undefined && hasRequest(need) ? await this.#joined(need) : undefined,
    };
  }

  #first(hash: string, need: Need | undefined): FirstSeen {
    const { clock } = this.#deps.ctx;
    const modRevision = need?.modRevision ?? ('0' as Revision);
    const known = this.#firstSeen.get(hash);
    if (known?.modRevision === modRevision) return known;
    const first = { modRevision, mono: clock.mono(), wall: clock.now() };
    this.#firstSeen.set(hash, first);
    return first;
  }

  /** The node that came of the request. On a secure cluster its label alone does not say so, but the token it joined with. */
  async #joined({ record }: WithRequest): Promise<Seen['joined']> {
    const { tokens } = this.#options;
    const { request, requires, slots } = record;
    const snapshot = this.#deps.membership.snapshot();
    for (const member of snapshot.members.values()) {
      if (member.record.capabilities[REQUEST_LABEL] !== request.id) continue;
      if (tokens !== undefined && !request.tokens.includes((await tokens.usedBy(member.id)) as TokenId)) continue;
      const facts = { requires: requires as readonly Requirement[], slots };
      return { member, fits: matches(member, facts, snapshot) };
    }
    return undefined;
  }

  /** Answers a request that was made. */
  async #act(
    step: Step,
    hash: string,
    need: Need | undefined,
    waiting: Waiting | undefined,
  ): Promise<ProvisionId | undefined> {
    if (step.do === 'ask') return waiting === undefined ? undefined : this.#ask(waiting, need);
    if (need === undefined) return undefined;
    if (step.do === 'forget') await this.#write(hash, forgetTxn(need));
    if (!hasRequest(need)) return undefined;
    if (step.do === 'take') await this.#take(hash, need);
    if (step.do === 'call') this.#call(need);
    if (step.do === 'fulfil') await this.#fulfil(hash, need, step.member);
    if (step.do === 'fail') await this.#fail(hash, need, step.why);
    if (step.do === 'remove') this.#remove(need);
    if (step.do === 'close') await this.#close(hash, need);
    return undefined;
  }

  async #ask(waiting: Waiting, found: Need | undefined): Promise<ProvisionId | undefined> {
    const { ctx, self } = this.#deps;
    const { clock, config, keys } = ctx;
    const id = this.#minter.mint('provision');
    const minted = await this.#options.tokens?.mint(config.provisionDeadlineMs + TOKEN_SLACK_MS);
    const at = clock.now();
    const request: RequestRecord = {
      id,
      by: self,
      at,
      deadlineAt: at + config.provisionDeadlineMs,
      tasks: waiting.tasks,
      tokens: minted === undefined ? [] : [minted.id],
    };
    this.#attempts.set(id, newAttempt(minted?.token));
    const event = { kind: 'provision.requested', request: id, tasks: waiting.tasks } as const;
    if (await this.#write(waiting.hash, askTxn(keys, waiting, found, request), { event, found, nowMs: at })) {
      ctx.log.info({ request: id, tasks: waiting.tasks, requires: waiting.requires }, 'asking for a node');
      ctx.metrics.count('boi_core_provision_requests_total', 1, { outcome: 'requested' });
      return id;
    }
    this.#drop(id);
    this.#revoke(request.tokens);
    return undefined;
  }

  async #take(hash: string, need: WithRequest): Promise<void> {
    const { self } = this.#deps;
    const { id } = need.record.request;
    const minted = await this.#options.tokens?.mint(this.#deps.ctx.config.provisionDeadlineMs + TOKEN_SLACK_MS);
    this.#attempts.set(id, newAttempt(minted?.token));
    if (await this.#write(hash, takeTxn(need, self, minted?.id))) return;
    this.#drop(id);
    this.#revoke(minted === undefined ? [] : [minted.id]);
  }

  #call({ record }: WithRequest): void {
    const { ctx, self, membership, session } = this.#deps;
    // Frozen meanwhile, another node may have gone on.
    if (session.epoch() === undefined) return;
    const { request, requires, slots } = record;
    const attempt = this.#attempts.get(request.id) as Attempt;
    const { members } = membership.snapshot();
    const others = [...members.values()].filter(({ id }) => id !== self).map(({ record: { address } }) => address);
    const own = members.get(self)?.record.address;
    const wanted = {
      id: request.id,
      requires: requires as readonly Requirement[],
      slots,
      tasks: request.tasks,
      ...(attempt.token === undefined ? {} : { token: attempt.token }),
      bootstrap: [...(own === undefined ? [] : [own]), ...others].slice(0, BOOTSTRAP_MAX),
      deadlineAt: request.deadlineAt,
      labels: { [REQUEST_LABEL]: request.id },
    };
    attempt.call = 'running';
    const signal = AbortSignal.any([this.#stopping.signal, attempt.over.signal]);
    this.#beside(async () => {
      try {
        attempt.call = await this.#options.plugin.provision(wanted, signal);
      } catch (error) {
        attempt.call = 'open';
        attempt.againMono = ctx.clock.mono() + CALL_AGAIN_MS;
        if (!signal.aborted) ctx.log.warn({ err: error, request: request.id }, 'the provisioner could not be asked');
      }
    });
  }

  async #fulfil(hash: string, need: WithRequest, member: Member): Promise<void> {
    const { ctx } = this.#deps;
    const { request } = need.record;
    const nowMs = ctx.clock.now();
    const event = { kind: 'provision.fulfilled', request: request.id, node: member.id } as const;
    if (!(await this.#write(hash, fulfilTxn(ctx.keys, need, member, nowMs), { event, found: need, nowMs }))) return;
    ctx.log.info({ request: request.id, member: member.id }, 'the node that was asked for has joined');
    ctx.metrics.count('boi_core_provision_requests_total', 1, { outcome: 'fulfilled' });
    ctx.metrics.observe('boi_core_provision_seconds', Math.max(0, nowMs - request.at) / 1_000);
    this.#revoke(request.tokens);
  }

  async #fail(hash: string, need: WithRequest, why: Failure): Promise<void> {
    const { ctx } = this.#deps;
    const { request, failures } = need.record;
    this.#attempts.get(request.id)?.over.abort(new BoiError('unavailable', 'the request has failed'));
    const event = {
      kind: 'provision.failed',
      request: request.id,
      reason: why,
      failures: failures + 1,
    } as const;
    const nowMs = ctx.clock.now();
    if (!(await this.#write(hash, failTxn(need, why, nowMs), { event, found: need, nowMs }))) return;
    ctx.log.warn({ request: request.id, reason: why, failures: failures + 1 }, 'no node came of the request');
    ctx.metrics.count('boi_core_provision_requests_total', 1, { outcome: 'failed' });
    this.#revoke(request.tokens);
  }

  #remove({ record }: WithRequest): void {
    const { ctx } = this.#deps;
    const { id } = record.request;
    const attempt = this.#attempts.get(id) ?? newAttempt(undefined);
    this.#attempts.set(id, attempt);
    attempt.removal = 'running';
    this.#beside(async () => {
      try {
        await this.#options.plugin.deprovision(id, this.#stopping.signal);
        attempt.removal = 'done';
      } catch (error) {
        attempt.removal = 'open';
        attempt.againMono = ctx.clock.mono() + CALL_AGAIN_MS;
        if (!this.#stopping.signal.aborted)
          ctx.log.warn({ err: error, request: id }, 'what a failed request may have left could not be removed yet');
      }
    });
  }

  async #close(hash: string, need: WithRequest): Promise<void> {
    const { clock, config } = this.#deps.ctx;
    const cools = need.record.failures % config.provisionFailuresMax === 0;
    await this.#write(hash, closeTxn(need, cools ? clock.now() + config.provisionCooldownMs : undefined));
  }

  /** Whether it holds, and then what it brings about is told. Rejects when the session ends before that is known. */
  async #write(hash: string, txn: Txn, told?: Told): Promise<boolean> {
    const { ctx, session } = this.#deps;
    const signal = AbortSignal.any([this.#stopping.signal, session.signal()]);
    const compares = [...session.compares(), ...txn.compares];
    const intents =
      told &&
      (await ctx.events.intend([told.event.kind], () => [{ event: told.event, trace: traceOf(ctx.keys, hash, told) }], {
        signal,
      }));
    try {
      const answer = await settleTxn(ctx, signal, { ...txn, compares });
      const applied = answer.outcome === 'applied';
      if (applied) this.#wrote.set(hash, answer.revision);
      else this.#pausedUntilMono.set(hash, ctx.clock.mono() + AGAIN_MS);
      const holds = applied || (answer.resent && (await this.#isSo(txn)));
      if (told !== undefined && holds) ctx.events.happened(told.event, intents);
      // Sent twice and refused, it may have been applied and changed again since: the store is asked later.
      else if (!answer.resent) intents?.didNotHappen();
      return holds;
    } finally {
      intents?.leave();
    }
  }

  /** Of a refused transaction that was sent twice: whether the first is why. */
  async #isSo({ success }: Txn): Promise<boolean> {
    for (const op of success) {
      const { kv } = await this.#deps.ctx.store.get(op.key);
      const is = kv === undefined ? undefined : Buffer.from(kv.value).toString('utf8');
      if (is !== (op.op === 'put' ? op.value : undefined)) return false;
    }
    return true;
  }

  #drop(id: ProvisionId): void {
    this.#attempts.get(id)?.over.abort(new BoiError('unavailable', 'the request is over'));
    this.#attempts.delete(id);
  }

  #revoke(tokens: readonly TokenId[]): void {
    const port = this.#options.tokens;
    if (port === undefined) return;
    this.#beside(async () => {
      for (const token of tokens) {
        // It ends by itself soon.
        await port
          .revoke(token)
          .catch((error: unknown) =>
            this.#deps.ctx.log.debug({ err: error, minted: token }, 'a join token was not revoked'),
          );
      }
    });
  }

  /** Runs it beside the loop, which looks again when it has ended. */
  #beside(work: () => Promise<void>): void {
    const call = work().finally(() => {
      this.#calls.delete(call);
      this.#bell.ring();
    });
    this.#calls.add(call);
  }
}

function newAttempt(token: string | undefined): Attempt {
  return {
    ...(token === undefined ? {} : { token }),
    call: 'open',
    removal: 'open',
    over: new AbortController(),
    againMono: Number.NEGATIVE_INFINITY,
  };
}

/** What became of the change is read from these when there is no answer (settle-intent.ts). */
function traceOf(keys: Keys, hash: string, { found, nowMs }: Told): EventTrace {
  return { source: keys.provision(hash), base: found?.modRevision ?? ABSENT, at: String(nowMs) };
}

function asRecord({ requires, slots }: Waiting): Pick<ProvisionRecord, 'requires' | 'slots'> {
  return { requires: requires as ProvisionRecord['requires'], slots };
}

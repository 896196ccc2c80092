/**
 * The audit: who did what to which thing, one record for each mutation, in the order of time. Changes of identity put theirs
 * into their own transaction ({@link auditOp}); the daemon writes those of all other operations with {@link AuditTrail}
 * before it answers. Lines of the same few milliseconds share one write, so that a node under load adds one request for
 * many operations. What this promises and what it does not: docs/decisions/032-audit.md.
 *
 * Bounded: each field here, the age and number of records by upkeep.ts.
 */
import { BoiError, type EventId, IdMinter, sleep } from '@boi/core';
import { compareRevisions, nextRevision, type Op, type Revision, toRevision, type WatchEvent } from '@boi/store';
import { pages } from '../base/pages.ts';
import { settleTxn } from '../base/settle.ts';
import { lastPart } from '../keys.ts';
import { SCHEMA_VERSION } from '../records.ts';
import type { AuditInput, AuditLine, AuditQuery } from './api-types.ts';
import { limited } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type AuditRecord, identityCodecs } from './records.ts';

/** Lines wait this long for company. */
const WINDOW_MS = 3;
/** Puts in one transaction, below etcd's 128 operations. */
const LINES_PER_WRITE = 100;
/** Lines that wait while the store is slow; beyond, operations are refused rather than done without a trace. */
const PENDING_MAX = 5_000;
const TEXT_MAX = 256;
const LIST_LIMIT_DEFAULT = 100;
const LIST_LIMIT_MAX = 1_000;
/** Keys looked through for one page of a filtered list. */
const SCAN_MAX = 10_000;
const SINCE_DEFAULT_MS = 24 * 3600_000;
/** Clocks of nodes differ: after a lost watch, lines this much older than the last one told are looked at again. */
const SKEW_MS = 60_000;
const RETRY_MS = 500;

/** The put that records a change in the transaction that makes it. */
export function auditOp(deps: IdentityDeps, id: EventId, input: AuditInput): Op {
  const { actor, what, subject, before, after } = input;
  const record: AuditRecord = {
    v: SCHEMA_VERSION,
    at: deps.clock.now(),
    actor: { kind: actor.kind, ...(actor.id === undefined ? {} : { id: bounded(actor.id) }) },
    what: bounded(what),
    ...(subject === undefined ? {} : { subject: bounded(subject) }),
    ...(before === undefined || before === '0' ? {} : { before: bounded(before) }),
    ...(after === undefined ? {} : { after: bounded(after) }),
    node: deps.self,
  };
  return { op: 'put', key: deps.keys.audit(id), value: identityCodecs.audit.encode(record) };
}

interface Pending {
  readonly op: Op;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class AuditTrail {
  readonly #deps: IdentityDeps;
  #pending: Pending[] = [];
  #writing: Promise<void> | undefined;
  #stopped = false;

  constructor(deps: IdentityDeps) {
    this.#deps = deps;
  }

  /** Resolves when the line is durable. Throws `unavailable` when too many wait, `outcome-unknown` when the store is silent. */
  append(input: AuditInput): Promise<void> {
    if (this.#stopped || this.#pending.length >= PENDING_MAX) {
      const message = this.#stopped ? 'this node is stopping' : 'too many operations wait for the audit to be written';
      return Promise.reject(new BoiError('unavailable', message, { retryAfterS: 2 }));
    }
    const op = auditOp(this.#deps, this.#deps.minter.mint('event'), input);
    return new Promise<void>((resolve, reject) => {
      this.#pending.push({ op, resolve, reject });
      this.#writing ??= this.#write().finally(() => {
        this.#writing = undefined;
      });
    });
  }

  /** Waits for what was appended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
  }

  /** Never rejects: each line's own promise does. */
  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      await sleep(this.#deps.clock, WINDOW_MS);
      const lines = this.#pending.splice(0, LINES_PER_WRITE);
      try {
        // Without compares: the ids are new, and sent twice the same is written.
        const txn = { compares: [], success: lines.map(({ op }) => op) };
        await limited(this.#deps, (signal) => settleTxn(this.#deps, signal, txn));
        for (const { resolve } of lines) resolve();
      } catch (error) {
        for (const { reject } of lines) reject(error);
      }
    }
  }

  async list(query: AuditQuery = {}): Promise<{ items: AuditLine[]; next?: EventId }> {
    const { store, keys, clock } = this.#deps;
    const limit = Math.min(Math.max(query.limit ?? LIST_LIMIT_DEFAULT, 1), LIST_LIMIT_MAX);
    const items: AuditLine[] = [];
    let scanned = 0;
    let start =
      query.after === undefined
        ? keys.audit(firstIdAt(query.since ?? clock.now() - SINCE_DEFAULT_MS))
        : `${keys.audit(query.after)} `;
    for (;;) {
      const page = await store.range({ start, end: keys.audits().end, limit: LIST_LIMIT_MAX });
      for (const { key, value, modRevision } of page.kvs) {
        const line = lineOf(key, value, modRevision);
        scanned++;
        if (query.actor === undefined || line.actor.id === query.actor) items.push(line);
        const full = items.length >= limit || scanned >= SCAN_MAX;
        if (full && (page.more || key !== page.kvs.at(-1)?.key)) return { items, next: line.id };
      }
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { items };
      start = `${last.key} `;
    }
  }

  /**
   * Tells each line once, in the order they became durable except those of the first listing, until aborted; goes on over
   * outages and lost watches. What was told is known by its revision, since ids of several nodes do not grow together.
   */
  async follow(
    query: Pick<AuditQuery, 'after' | 'actor'>,
    onLine: (line: AuditLine) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, store, keys, log } = this.#deps;
    const { start, end } = keys.audits();
    let told: Revision | undefined = query.after === undefined ? undefined : toRevision(0);
    let from = query.after === undefined ? start : `${keys.audit(query.after)} `;
    const tell = (key: string, value: Uint8Array, modRevision: Revision) => {
      const line = lineOf(key, value, modRevision);
      if (query.actor === undefined || line.actor.id === query.actor) onLine(line);
    };
    while (!signal.aborted) {
      try {
        const { revision } = await store.range({ start, end, limit: 1, keysOnly: true });
        for await (const page of told === undefined ? [] : pages(store, { start: from, end }, { revision })) {
          for (const { key, value, modRevision } of page.kvs) {
            if (compareRevisions(modRevision, told as Revision) > 0) tell(key, value, modRevision);
          }
        }
        told = revision;
        await this.#watch({ start, end, fromRevision: nextRevision(revision) }, signal, (events, at) => {
          for (const event of events) {
            if (event.type === 'put') tell(event.kv.key, event.kv.value, event.kv.modRevision);
          }
          told = at;
          from = keys.audit(firstIdAt(Math.max(0, clock.now() - SKEW_MS)));
        });
      } catch (error) {
        if (signal.aborted) return;
        log.debug({ err: error }, 'the audit cannot be followed now; trying again');
        await sleep(clock, RETRY_MS, signal).catch(() => undefined);
      }
    }
  }

  /** Resolves when the watch is lost or the signal aborts. */
  #watch(
    range: { start: string; end: string; fromRevision: Revision },
    signal: AbortSignal,
    onEvents: (events: readonly WatchEvent[], revision: Revision) => void,
  ): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        watch.cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const watch = this.#deps.store.watch(range, { onEvents, onLost: end });
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
    });
  }
}

function lineOf(key: string, value: Uint8Array, modRevision: Revision): AuditLine {
  const { v: _v, actor, ...rest } = identityCodecs.audit.decode(key, value);
  // Without one: at this revision it had been made, in most cases by it.
  return { after: modRevision, ...rest, actor: actor as AuditLine['actor'], id: lastPart(key) as EventId };
}

/** No id that was minted at this wall clock or later is lower. */
export function firstIdAt(ms: number): EventId {
  const zeros = { next: () => 0, bytes: (length: number) => new Uint8Array(length) };
  const clock = { now: () => Math.max(0, ms), mono: () => 0, timer: () => ({ cancel() {} }) };
  return new IdMinter(clock, zeros).mint('event');
}

/** What is longer is cut: an audit that cannot be written would keep the operation from being done. */
function bounded(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}

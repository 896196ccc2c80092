/**
 * What a request may hold, checked the same way by every adapter before anything is sent, so that the memory store refuses
 * exactly what etcd would and nobody learns of a limit in production.
 *
 * The limits of operations are etcd's own rule (`checkTxnRequest` in its server): the widest part of the outer transaction
 * plus the widest part of any nested one must not exceed `--max-txn-ops`. Ours is stricter than etcd in one respect: a key
 * may not be deleted twice in a request either, and a delete in one item may not meet a put in another; etcd accepts some
 * such requests depending on their order.
 */
import { BoiError } from '@boi/core';
import {
  type Batch,
  type Compare,
  type Op,
  RANGE_LIMIT_MAX,
  type RangeQuery,
  REQUEST_BYTES_MAX,
  type Revision,
  TXN_OPS_MAX,
  type Txn,
} from './port.ts';

/**
 * etcd itself has no limit below the request's; ours keeps keys what they are: short, and printable in a message. The longest is
 * that of a name: 128 code points of four bytes each, percent-encoded, are 1,536 characters.
 */
const KEY_BYTES_MAX = 2048;
const ASCII = /^[\x20-\x7f]+$/;
const REVISION = /^(0|[1-9][0-9]{0,18})$/;
/** Room for the framing of one operation or compare: field tags, lengths and numbers. */
const FRAMING_BYTES = 32;

/** Throws `bad-request` or `too-large` unless the transaction can be sent. */
export function checkTxn(txn: Txn): void {
  const failure = txn.failure ?? [];
  const widest = Math.max(txn.compares.length, txn.success.length, failure.length);
  if (widest > TXN_OPS_MAX) throw tooManyOps(`a part of the transaction has ${widest}`, widest);
  const size = new Size();
  size.compares(txn.compares);
  size.ops(txn.success);
  size.ops(failure);
  size.check();
  const written = new WrittenKeys();
  written.ops(txn.success);
  new WrittenKeys().ops(failure);
}

/** Throws `bad-request` or `too-large` unless the batch can be sent. */
export function checkBatch(batch: Batch): void {
  const success = batch.success ?? [];
  const failure = batch.failure ?? [];
  const outer = Math.max(batch.compares.length, success.length + batch.items.length, failure.length);
  const size = new Size();
  size.compares(batch.compares);
  size.ops(success);
  size.ops(failure);
  const written = new WrittenKeys();
  written.ops(success);
  new WrittenKeys().ops(failure);
  let widestItem = 0;
  for (const item of batch.items) {
    const itemFailure = item.failure ?? [];
    widestItem = Math.max(widestItem, item.compares.length, item.success.length, itemFailure.length);
    size.compares(item.compares);
    size.ops(item.success);
    size.ops(itemFailure);
    written.alternatives(item.success, itemFailure);
  }
  if (outer + widestItem > TXN_OPS_MAX) {
    throw tooManyOps(`the batch's widest part has ${outer} and its widest item ${widestItem}`, outer + widestItem);
  }
  size.check();
}

/** Throws `bad-request` unless the query is one. */
export function checkRangeQuery(query: RangeQuery): void {
  checkInterval(query.start, query.end);
  if (query.revision !== undefined) checkRevision(query.revision);
  const limit = query.limit ?? RANGE_LIMIT_MAX;
  if (!Number.isInteger(limit) || limit < 1 || limit > RANGE_LIMIT_MAX) {
    throw new BoiError('bad-request', `limit is ${limit}; it must be an integer from 1 to ${RANGE_LIMIT_MAX}`);
  }
}

/** Throws `bad-request` unless a watch can start there. */
export function checkWatch(range: { start: string; end: string; fromRevision: Revision }): void {
  checkInterval(range.start, range.end);
  checkRevision(range.fromRevision);
  if (range.fromRevision === '0') throw new BoiError('bad-request', 'fromRevision is 0; revisions start at 1');
}

/** Throws `bad-request` unless it is a revision. */
export function checkRevision(revision: string): void {
  if (!REVISION.test(revision)) {
    throw new BoiError('bad-request', `revision ${JSON.stringify(revision)} is not a decimal 64-bit number`);
  }
}

/** Throws `bad-request` unless it is a time to live a lease can have; etcd's greatest is 9,000,000,000 s. */
export function checkTtl(ttlMs: number): void {
  if (!Number.isFinite(ttlMs) || ttlMs <= 0 || ttlMs > 9e12) {
    throw new BoiError('bad-request', `a lease of ${ttlMs} ms cannot be granted; give 1 to 9e12`);
  }
}

/** Throws `bad-request` unless it is a lease id. */
export function checkLease(lease: string): void {
  if (!/^[1-9][0-9]{0,18}$/.test(lease)) {
    throw new BoiError('bad-request', `lease ${JSON.stringify(lease)} is not a decimal 64-bit number above 0`);
  }
}

export function checkKey(key: string): void {
  if (key.length > KEY_BYTES_MAX || !ASCII.test(key)) {
    const shown = JSON.stringify(key.slice(0, 80));
    throw new BoiError('bad-request', `key ${shown} must be 1 to ${KEY_BYTES_MAX} printable ASCII characters`);
  }
}

function checkInterval(start: string, end: string): void {
  checkKey(start);
  checkKey(end);
  if (end <= start) throw new BoiError('bad-request', `the range ends (${end}) where it begins (${start}) or before`);
}

function tooManyOps(what: string, operations: number): BoiError {
  return new BoiError('too-large', `${what} compares or operations; ${TXN_OPS_MAX} together is the most`, {
    details: { operations, operationsMax: TXN_OPS_MAX },
  });
}

/** Adds up a request while checking each key in it. */
class Size {
  #bytes = 0;

  compares(compares: readonly Compare[]): void {
    for (const compare of compares) {
      checkKey(compare.key);
      this.#bytes += compare.key.length + FRAMING_BYTES;
      if (compare.target === 'value') this.#bytes += byteLength(compare.value);
      else checkRevision(compare.revision);
    }
  }

  ops(ops: readonly Op[]): void {
    for (const op of ops) {
      checkKey(op.key);
      this.#bytes += op.key.length + FRAMING_BYTES;
      if (op.op === 'put') {
        this.#bytes += byteLength(op.value);
        if (op.lease !== undefined) checkLease(op.lease);
      } else if (op.op === 'delete' && op.end !== undefined) {
        checkInterval(op.key, op.end);
        this.#bytes += op.end.length;
      }
    }
  }

  check(): void {
    if (this.#bytes > REQUEST_BYTES_MAX) {
      throw new BoiError('too-large', `the request has ${this.#bytes} bytes; ${REQUEST_BYTES_MAX} is the most`, {
        details: { bytes: this.#bytes, bytesMax: REQUEST_BYTES_MAX },
      });
    }
  }
}

/** The keys a request writes; a second write of one is refused. */
class WrittenKeys {
  readonly #keys = new Set<string>();
  readonly #ranges: { start: string; end: string }[] = [];

  ops(ops: readonly Op[]): void {
    for (const op of ops) {
      if (op.op === 'put') this.#point(op.key);
      else if (op.op === 'delete') {
        if (op.end === undefined) this.#point(op.key);
        else this.#range(op.key, op.end);
      }
    }
  }

  /** Only one of the two will run, so the same key may be in both. */
  alternatives(success: readonly Op[], failure: readonly Op[]): void {
    if (failure.length === 0 || failure.every((op) => op.op === 'get')) {
      this.ops(success);
      return;
    }
    new WrittenKeys().ops(failure);
    const own = new Set<string>();
    const ownRanges = new Set<string>();
    for (const op of success) {
      if (op.op === 'get') continue;
      if (op.op === 'delete' && op.end !== undefined) ownRanges.add(`${op.key}\0${op.end}`);
      else own.add(op.key);
    }
    this.ops(success);
    for (const op of failure) {
      if (op.op === 'get') continue;
      if (op.op === 'delete' && op.end !== undefined) {
        if (!ownRanges.has(`${op.key}\0${op.end}`)) this.#range(op.key, op.end);
      } else if (!own.has(op.key)) this.#point(op.key);
    }
  }

  #point(key: string): void {
    if (this.#keys.has(key)) throw writtenTwice(key);
    for (const { start, end } of this.#ranges) if (key >= start && key < end) throw writtenTwice(key);
    this.#keys.add(key);
  }

  #range(start: string, end: string): void {
    for (const key of this.#keys) if (key >= start && key < end) throw writtenTwice(key);
    for (const other of this.#ranges) if (start < other.end && other.start < end) throw writtenTwice(start);
    this.#ranges.push({ start, end });
  }
}

function writtenTwice(key: string): BoiError {
  return new BoiError('bad-request', `key ${key} is written twice in one request`, { details: { key } });
}

function byteLength(value: string | Uint8Array): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
}

/**
 * Encodes transactions and batches as etcd's `TxnRequest`, straight from the port's shapes: they are nearly all that a busy node
 * sends, and a message object for each key and operation cost more than their bytes. Everything else is left to protobufjs.
 *
 * Written from the end of a buffer to its beginning, so that a message's length is known when its head is written. What has been
 * checked by limits.ts is taken as it is: keys are ASCII, revisions and leases decimals from 0 to 2^63 - 1.
 */
import type { Batch, Compare, Op, Txn } from '../port.ts';

/** It grows to what the largest request sent so far took. */
const FIRST_BYTES = 16 * 1024;

/** `Compare.CompareResult` and `Compare.CompareTarget` in rpc.proto. */
const RESULT = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;
const TARGET = { create: 1, mod: 2, value: 3 } as const;

/** Field numbers in rpc.proto. */
const TXN = { compare: 1, success: 2, failure: 3 } as const;
const COMPARE = { result: 1, target: 2, key: 3, create: 5, mod: 6, value: 7 } as const;
const REQUEST = { get: 1, put: 2, delete: 3, txn: 4 } as const;
const KEY = 1;
const PUT = { value: 2, lease: 3 } as const;
const DELETE_END = 2;

/** Wire types. */
const VARINT = 0;
const BYTES = 2;

export class TxnEncoder {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  /** What is written is from here to the end. */
  #at = 0;

  encode(request: Txn | Batch): Buffer {
    this.#at = this.#bytes.length;
    this.#txn(request, 'items' in request ? request.items : []);
    return Buffer.from(this.#bytes.subarray(this.#at));
  }

  #txn({ compares, success = [], failure = [] }: Txn | Batch, items: readonly Txn[]): void {
    for (let i = failure.length - 1; i >= 0; i--) this.#op(TXN.failure, failure[i] as Op);
    for (let i = items.length - 1; i >= 0; i--) {
      const end = this.#end;
      this.#txn(items[i] as Txn, []);
      this.#head(REQUEST.txn, end);
      this.#head(TXN.success, end);
    }
    for (let i = success.length - 1; i >= 0; i--) this.#op(TXN.success, success[i] as Op);
    for (let i = compares.length - 1; i >= 0; i--) this.#compare(compares[i] as Compare);
  }

  #compare(compare: Compare): void {
    const end = this.#end;
    if (compare.target === 'value') this.#value(COMPARE.value, compare.value);
    else this.#decimal(COMPARE[compare.target], compare.revision);
    this.#key(COMPARE.key, compare.key);
    this.#number(COMPARE.target, TARGET[compare.target]);
    this.#number(COMPARE.result, RESULT[compare.op]);
    this.#head(TXN.compare, end);
  }

  #op(part: number, op: Op): void {
    const end = this.#end;
    if (op.op === 'put') {
      if (op.lease !== undefined) this.#decimal(PUT.lease, op.lease);
      this.#value(PUT.value, op.value);
    } else if (op.op === 'delete' && op.end !== undefined) this.#key(DELETE_END, op.end);
    this.#key(KEY, op.key);
    this.#head(REQUEST[op.op], end);
    this.#head(part, end);
  }

  #key(field: number, key: string): void {
    this.#room(key.length);
    this.#at -= key.length;
    this.#bytes.write(key, this.#at, 'latin1');
    this.#length(field, key.length);
  }

  #value(field: number, value: string | Uint8Array): void {
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.byteLength;
    this.#room(length);
    this.#at -= length;
    if (typeof value === 'string') this.#bytes.write(value, this.#at, 'utf8');
    else this.#bytes.set(value, this.#at);
    this.#length(field, length);
  }

  #number(field: number, value: number): void {
    this.#varint(value);
    this.#tag(field, VARINT);
  }

  #decimal(field: number, value: string): void {
    // Up to 15 digits a double is exact.
    if (value.length < 16) this.#varint(Number(value));
    else this.#bigVarint(BigInt(value));
    this.#tag(field, VARINT);
  }

  /** How much is written: what follows belongs to a message that began here, seen from the end. */
  get #end(): number {
    return this.#bytes.length - this.#at;
  }

  /** The head of a message whose fields are all that was written since `end`. */
  #head(field: number, end: number): void {
    this.#length(field, this.#end - end);
  }

  #length(field: number, length: number): void {
    this.#varint(length);
    this.#tag(field, BYTES);
  }

  #tag(field: number, type: number): void {
    this.#varint((field << 3) | type);
  }

  #varint(value: number): void {
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.#room(size);
    this.#at -= size;
    let at = this.#at;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#bytes[at++] = (rest % 128) | 128;
    this.#bytes[at] = rest;
  }

  #bigVarint(value: bigint): void {
    const low = Number(value & 0x7_ffff_ffffn);
    const high = Number(value >> 35n);
    if (high === 0) {
      this.#varint(low);
      return;
    }
    this.#varint(high);
    // The five lower groups of seven bits, each with a successor.
    this.#room(5);
    this.#at -= 5;
    let rest = low;
    for (let i = 0; i < 5; i++) {
      this.#bytes[this.#at + i] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
  }

  #room(bytes: number): void {
    if (this.#at >= bytes) return;
    const written = this.#end;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, written + bytes));
    this.#bytes.copy(larger, larger.length - written, this.#at);
    this.#at = larger.length - written;
    this.#bytes = larger;
  }
}

/**
 * A spec's header as its coordinator last read or wrote it: *the fence of all coordination*. Every transaction made through it
 * compares the header's mod revision, so a coordinator that was replaced, or has not seen a cancel or a retry, writes nothing.
 * Refused, the header is read again, and whatever was planned by the old one must be planned anew.
 */
import { type BatchAnswer, type Op, type Txn, unchanged } from '@boi/store';
import { type Settled, settleBatch, settleTxn } from '../base/settle.ts';
import type { ClusterContext } from '../context.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { gotten, readHeader, type SpecRef } from './spec-ref.ts';

export class HeaderFence {
  readonly key: string;
  readonly #ctx: ClusterContext;
  readonly #ref: SpecRef;
  readonly #signal: AbortSignal;
  #header: Stored<SpecHeader> | undefined;

  /** Writes reject when `signal` aborts. */
  constructor(ctx: ClusterContext, ref: SpecRef, signal: AbortSignal) {
    this.#ctx = ctx;
    this.#ref = ref;
    this.#signal = signal;
    this.key = ctx.keys.spec(ref.prj, ref.spc);
  }

  /** Undefined: not read yet, or there is none. */
  get header(): Stored<SpecHeader> | undefined {
    return this.#header;
  }

  async read(): Promise<Stored<SpecHeader> | undefined> {
    this.#header = await readHeader(this.#ctx, this.#ref);
    return this.#header;
  }

  /** Writes the header anew; false: it is no longer as known. */
  async put(record: SpecHeader): Promise<boolean> {
    const header = this.#header;
    if (header === undefined) return false;
    const answer = await settleTxn(this.#ctx, this.#signal, {
      compares: [unchanged(this.key, header.modRevision)],
      success: [{ op: 'put', key: this.key, value: codecs.spec.encode(record) }],
    });
    if (answer.outcome === 'applied') {
      this.#header = { ...header, record, modRevision: answer.revision };
      return true;
    }
    await this.read();
    return false;
  }

  /** Undefined: nothing of it happened, since the header is no longer as known. */
  async batch(
    items: readonly Txn[],
  ): Promise<Extract<Settled<BatchAnswer>, { readonly outcome: 'applied' }> | undefined> {
    const header = this.#header;
    if (header === undefined) return undefined;
    const compares = [unchanged(this.key, header.modRevision)];
    const answer = await settleBatch(this.#ctx, this.#signal, { compares, items });
    if (answer.outcome === 'applied') return answer;
    await this.read();
    return undefined;
  }

  /**
   * Writes the last header together with `more`. False: it is no longer as known, and this did not end the spec; undefined: it was
   * sent twice, and what is there now does not tell whether the first sending ended it.
   */
  async end(record: SpecHeader, more: readonly Op[]): Promise<boolean | undefined> {
    const header = this.#header;
    if (header === undefined) return false;
    const answer = await settleTxn(this.#ctx, this.#signal, {
      compares: [unchanged(this.key, header.modRevision)],
      success: [{ op: 'put', key: this.key, value: codecs.spec.encode(record) }, ...more],
      failure: [{ op: 'get', key: this.key }],
    });
    if (answer.outcome === 'applied') return true;
    if (!answer.resent) return false;
    // Archived since, it is the same end; retried since, it tells no more.
    const found = gotten(codecs.spec, answer.answers[0])?.record;
    return (found?.state === record.state && found.endedAt === record.endedAt) || undefined;
  }
}

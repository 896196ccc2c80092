/**
 * The duty `archive`: finished specs stay as plain records for a minute, then their results become archive chunks and are
 * deleted; archived specs are removed by age, and the oldest beyond a number and a size (archive-budget.ts). A pass looks at
 * the headers that are new or not archived yet (header-scan.ts); all of them are looked at, for those to be removed, at most
 * once an hour.
 *
 * Every transaction compares the header's mod revision as the pass read it, so two holders never mix their chunks: an archive
 * is complete when the header says `archived`, in the same transaction that deletes the results. Chunks of a holder that died
 * before that are written again, to the same keys. One-task specs, which have at most one result, go in batches, an item each.
 *
 * The body stays with the header: it is what `spec retry` and the views of ended tasks read, compressed already. Removal takes
 * header, body, archive, name and idempotency key (which lives as long as its spec, at least a day) together.
 */
import { indexOf, type ProjectId, type SpecId, type TaskId, taskId } from '@boi/core';
import { batchItemsMax, type Op, REQUEST_BYTES_MAX, type Txn, unchanged } from '@boi/store';
import { settleBatch, settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { type Keys, lastPart } from '../keys.ts';
import { DutyLoop } from '../membership/duty-loop.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import { isFinalSpec, type SpecRef, stored } from '../spec/spec-ref.ts';
import { ArchiveBudget } from './archive-budget.ts';
import { ArchiveChunk } from './archive-format.ts';
import { HeaderScan } from './header-scan.ts';
import { RetentionClock } from './retention-clock.ts';

/** Passes over the headers per time a spec lingers. */
const PASSES_PER_LINGER = 4;
/** Looks at all headers per time an archive is kept: nothing stays longer than this part of it. */
const WHOLE_PER_KEEP = 24;
const WHOLE_MS_MAX = 3600_000;
/** An idempotency key is honoured this long at least, and so its spec is kept, unless the budget does not allow it. */
const IDEMPOTENCY_KEEP_MS = 24 * 3600_000;
/** Writes of one item: header, archive chunk, result. */
const SINGLE_WIDTH = 3;

type Spec = SpecRef & { readonly header: Stored<SpecHeader> };

/** A one-task spec that is being archived, and its header as it will be. */
interface Single {
  readonly key: string;
  readonly header: SpecHeader;
  readonly txn: Txn;
}

export class Archiver {
  readonly #deps: NodeDeps;
  readonly #scan: HeaderScan;
  readonly #budget: ArchiveBudget;
  readonly #retention: RetentionClock;
  readonly #loop: DutyLoop;

  constructor(deps: NodeDeps) {
    this.#deps = deps;
    this.#retention = new RetentionClock(deps);
    const { ctx } = deps;
    this.#budget = new ArchiveBudget(ctx.config.archiveSpecsMax, ctx.config.archiveBytesMax);
    this.#scan = new HeaderScan(ctx, {
      settled: ({ archived }) => archived !== undefined,
      wholeEveryMs: Math.min(ctx.config.archiveKeepMs / WHOLE_PER_KEEP, WHOLE_MS_MAX),
      // One that cannot be read must not keep the others from being archived.
      onUnreadable: (key, err) => {
        ctx.log.error({ err, key }, 'a record cannot be read; it is left alone');
        ctx.metrics.count('boi_core_records_unreadable_total', 1, { what: 'header' });
      },
    });
    this.#loop = new DutyLoop(deps, {
      duty: 'archive',
      everyMs: ctx.config.lingerMs / PASSES_PER_LINGER,
      turn: () => this.#pass(),
      failed: 'finished specs could not be archived; the next pass will',
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #pass(): Promise<void> {
    const { keys, clock, config } = this.#deps.ctx;
    const whole = this.#scan.wholeDue;
    if (whole) this.#budget.clear();
    const retainedNow = await this.#retention.now(this.#loop.signal);
    for await (const headers of this.#scan.look()) {
      const singles: Spec[] = [];
      for (const header of headers) {
        this.#loop.signal.throwIfAborted();
        const spec = specOf(keys, header);
        const { record } = header;
        if (!isFinalSpec(record)) continue;
        const endedAt = record.endedAt ?? record.createdAt;
        if (record.archived !== undefined) {
          if (retainedNow - endedAt >= keepMs(record, config.archiveKeepMs)) await this.#remove(spec);
          else if (whole) this.#budget.add(header.key, record);
        } else if (clock.now() - endedAt >= config.lingerMs) {
          if (record.tasks === 1) singles.push(spec);
          else await this.#archive(spec).catch((error: unknown) => this.#unreadable(header.key, error));
        }
      }
      await this.#archiveSingles(singles);
    }
    if (whole) await this.#removeExcess();
    else if (this.#budget.exceeded) this.#scan.lookAtAll();
  }

  /** Only after a whole look is it known which are the oldest. */
  async #removeExcess(): Promise<void> {
    const { ctx } = this.#deps;
    for (const { key } of this.#budget.takeExcess()) {
      this.#loop.signal.throwIfAborted();
      const { kv } = await ctx.store.get(key);
      if (kv !== undefined) await this.#remove(specOf(ctx.keys, stored(codecs.spec, kv)));
    }
  }

  async #archive(spec: Spec): Promise<void> {
    const { ctx } = this.#deps;
    const { store, keys } = ctx;
    const { prj, spc, header } = spec;
    const range = keys.resultsOf(spc);
    const compares = [unchanged(header.key, header.modRevision)];
    const firsts: number[] = [];
    let bytes = 0;
    let chunk = new ArchiveChunk();
    const flush = async (): Promise<boolean> => {
      const key = keys.archive(prj, spc, firsts.length);
      firsts.push(chunk.first);
      const value = chunk.encode();
      bytes += value.length;
      const success: Op[] = [{ op: 'put', key, value }];
      chunk = new ArchiveChunk();
      return (await settleTxn(ctx, this.#loop.signal, { compares, success })).outcome === 'applied';
    };
    let count = 0;
    for (let start = range.start; ; ) {
      const page = await store.range({ start, end: range.end });
      for (const { key, value } of page.kvs) {
        const index = indexOf(lastPart(key) as TaskId);
        const result = codecs.result.decode(key, value);
        count++;
        if (chunk.add(index, result)) continue;
        if (!(await flush())) return;
        chunk.add(index, result);
      }
      if (!page.more) break;
      start = `${page.kvs.at(-1)?.key ?? start} `;
    }
    if (count !== header.record.tasks) {
      // Another holder was faster and its deletion was read half-way, or something is wrong: nothing is deleted on a guess.
      ctx.log.warn({ spec: spc, results: count, tasks: header.record.tasks }, 'a finished spec has too few results');
      return;
    }
    if (!chunk.empty && !(await flush())) return;
    const record: SpecHeader = { ...header.record, archived: { chunks: firsts.length, firsts, bytes } };
    const answer = await settleTxn(ctx, this.#loop.signal, {
      compares,
      success: [
        { op: 'put', key: header.key, value: codecs.spec.encode(record) },
        { op: 'delete', key: range.start, end: range.end },
      ],
    });
    if (answer.outcome !== 'applied') return;
    this.#budget.add(header.key, record);
    ctx.metrics.count('boi_core_specs_archived_total');
  }

  /** What cannot be read must not keep the others from being archived. Throws what is wrong otherwise. */
  #unreadable(key: string, err: unknown): void {
    if ((err as { code?: string }).code !== 'schema-unknown') throw err;
    const { log, metrics } = this.#deps.ctx;
    log.error({ err, key }, 'a result cannot be read; its spec is not archived');
    metrics.count('boi_core_records_unreadable_total', 1, { what: 'results' });
  }

  async #archiveSingles(specs: readonly Spec[]): Promise<void> {
    const { ctx } = this.#deps;
    const { keys, store } = ctx;
    const most = batchItemsMax(0, SINGLE_WIDTH);
    for (let from = 0; from < specs.length; from += most) {
      const part = specs.slice(from, from + most);
      const read = await store.txn({
        compares: [],
        success: part.map(({ spc }) => ({ op: 'get', key: keys.result(spc, taskId(spc, 1)) })),
      });
      if (read.outcome === 'unknown') throw read.cause;
      let items: Single[] = [];
      let bytes = 0;
      for (const [i, { prj, spc, header }] of part.entries()) {
        const found = read.answers[i];
        if (found?.op !== 'get' || found.kv === undefined) continue;
        const chunk = new ArchiveChunk();
        try {
          chunk.add(1, codecs.result.decode(found.kv.key, found.kv.value));
        } catch (error) {
          this.#unreadable(found.kv.key, error);
          continue;
        }
        const value = chunk.encode();
        const archived: SpecHeader = {
          ...header.record,
          archived: { chunks: 1, firsts: [1], bytes: value.length },
        };
        const record = codecs.spec.encode(archived);
        const itemBytes = value.length + Buffer.byteLength(record) + 1024;
        if (bytes + itemBytes > REQUEST_BYTES_MAX) {
          await this.#batch(items);
          items = [];
          bytes = 0;
        }
        bytes += itemBytes;
        const txn: Txn = {
          compares: [unchanged(header.key, header.modRevision), unchanged(found.kv.key, found.kv.modRevision)],
          success: [
            { op: 'put', key: header.key, value: record },
            { op: 'put', key: keys.archive(prj, spc, 0), value },
            { op: 'delete', key: found.kv.key },
          ],
        };
        items.push({ key: header.key, header: archived, txn });
      }
      await this.#batch(items);
    }
  }

  async #batch(singles: readonly Single[]): Promise<void> {
    if (singles.length === 0) return;
    const { ctx } = this.#deps;
    const items = singles.map(({ txn }) => txn);
    const answer = await settleBatch(ctx, this.#loop.signal, { compares: [], items });
    if (answer.outcome !== 'applied') return;
    const archived = singles.filter((_, i) => answer.items[i]?.outcome === 'applied');
    for (const { key, header } of archived) this.#budget.add(key, header);
    ctx.metrics.count('boi_core_specs_archived_total', archived.length);
  }

  async #remove({ prj, spc, header }: Spec): Promise<void> {
    const { ctx } = this.#deps;
    const { keys } = ctx;
    const { record } = header;
    const body = keys.specBodies(spc);
    const archive = keys.archiveOf(prj, spc);
    const success: Op[] = [
      { op: 'delete', key: header.key },
      { op: 'delete', key: body.start, end: body.end },
      { op: 'delete', key: archive.start, end: archive.end },
    ];
    if (record.name !== undefined) success.push({ op: 'delete', key: keys.name(prj, 'spec', record.name, spc) });
    if (record.idempotency !== undefined) {
      success.push({ op: 'delete', key: keys.idempotency(prj, record.idempotency) });
    }
    const compares = [unchanged(header.key, header.modRevision)];
    const answer = await settleTxn(ctx, this.#loop.signal, { compares, success });
    if (answer.outcome === 'applied') ctx.metrics.count('boi_core_specs_removed_total');
  }
}

function specOf(keys: Keys, header: Stored<SpecHeader>): Spec {
  const [, prj = '', spc = ''] = keys.parts(header.key) ?? [];
  return { prj: prj as ProjectId, spc: spc as SpecId, header };
}

function keepMs({ idempotency }: SpecHeader, archiveKeepMs: number): number {
  return idempotency === undefined ? archiveKeepMs : Math.max(archiveKeepMs, IDEMPOTENCY_KEEP_MS);
}

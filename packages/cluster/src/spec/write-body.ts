/** Stores the body of a spec in `writing`, several chunks a request, and moves its header on to `dispatching`. */
import { type Op, REQUEST_BYTES_MAX, TXN_OPS_MAX, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import type { Foretold } from '../events/cluster-event.ts';
import type { Keys } from '../keys.ts';
import { codecs, type SpecHeader, type Stored } from '../records.ts';
import type { ChunkList } from './chunk-list.ts';
import { type Draft, interrupted } from './draft.ts';
import type { EncodedChunk } from './spec-body.ts';
import { gotten, type SpecRef } from './spec-ref.ts';

/** Of a request that the compares and keys may take. */
const RESERVED_BYTES = 64 * 1024;
const CHUNK_OVERHEAD_BYTES = 512;

/** Throws `unavailable` when somebody freed the spec meanwhile. */
export async function writeBody(
  { ctx }: Pick<NodeDeps, 'ctx'>,
  draft: Draft,
  header: Stored<SpecHeader>,
  chunks: ChunkList,
  signal: AbortSignal,
  started: Foretold,
): Promise<Stored<SpecHeader>> {
  const key = ctx.keys.spec(draft.prj, draft.spc);
  const compares = [unchanged(key, header.modRevision)];
  const flush = async (ops: readonly Op[]) => {
    const answer = await settleTxn(ctx, signal, { compares, success: ops });
    draft.answered();
    if (answer.outcome === 'refused') throw interrupted();
  };
  let ops: Op[] = [];
  let bytes = 0;
  let count = 0;
  let bodyBytes = 0;
  for (const chunk of chunks) {
    if (bytes + chunk.value.length > REQUEST_BYTES_MAX - RESERVED_BYTES || ops.length === TXN_OPS_MAX) {
      await flush(ops);
      ops = [];
      bytes = 0;
    }
    ops.push(bodyPut(ctx.keys, draft, chunk));
    bytes += chunk.value.length + CHUNK_OVERHEAD_BYTES;
    bodyBytes += chunk.value.length;
    count++;
  }
  if (ops.length > 0) await flush(ops);
  const record: SpecHeader = { ...header.record, state: 'dispatching', chunks: count, bodyBytes };
  const accept = async (): Promise<Stored<SpecHeader> | undefined> => {
    const answer = await settleTxn(ctx, signal, {
      compares,
      success: [{ op: 'put', key, value: codecs.spec.encode(record) }],
      failure: [{ op: 'get', key }],
    });
    draft.answered();
    if (answer.outcome === 'applied') return { ...header, record, modRevision: answer.revision };
    const found = gotten(codecs.spec, answer.answers[0]);
    const mine = found?.createRevision === header.createRevision && found.record.state !== 'writing';
    return answer.resent && mine ? found : undefined;
  };
  const accepted = await ctx.events.bringing(
    { kinds: ['spec.started'], events: () => [started], options: { signal, urgent: true } },
    accept,
    (found) => found !== undefined,
  );
  if (accepted === undefined) throw interrupted();
  return accepted;
}

export function bodyPut(keys: Keys, { spc }: SpecRef, chunk: EncodedChunk): Op {
  return { op: 'put', key: keys.specBody(spc, chunk.n), value: chunk.value };
}

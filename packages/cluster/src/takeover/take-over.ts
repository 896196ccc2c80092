/**
 * Moves the coordination of a spec from one node to another: the header names the new one, and the key under `coord/` moves
 * with it, in one transaction that compares the header unchanged (so the old coordinator's next transaction is refused) and
 * the new one's node record unchanged (so that it lives to be told).
 */
import type { NodeId, ProjectId, SpecId } from '@boi/core';
import { absent, type Compare, type Op, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import type { NodeDeps } from '../deps.ts';
import { codecs, SCHEMA_VERSION, type SpecHeader, type Stored } from '../records.ts';
import { coordinatorFor, isFinalSpec, readHeader } from '../spec/spec-ref.ts';
import { isDead } from './dead.ts';

const TRIES_MAX = 20;

/** `done`: the key of the old coordinator is gone. `later`: nobody can take it now, or it changes too fast; try again. */
export type TakeOver = 'done' | 'later';

/** Called by whoever adopts a dead node's queue, for each key under its `coord/`. Safe to repeat and to race. */
export function takeOverCoordination(
  deps: NodeDeps,
  deadNode: NodeId,
  prj: ProjectId,
  spc: SpecId,
  signal: AbortSignal = deps.session.signal(),
): Promise<TakeOver> {
  return move(deps, deadNode, prj, spc, isDead(deps.ctx.keys, deadNode), signal);
}

/** Gives one of this node's own away. `later` when no other node can have it. */
export function handOverCoordination(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  signal: AbortSignal,
): Promise<TakeOver> {
  return move(deps, deps.self, prj, spc, [], signal);
}

async function move(
  deps: NodeDeps,
  from: NodeId,
  prj: ProjectId,
  spc: SpecId,
  compares: readonly Compare[],
  signal: AbortSignal,
): Promise<TakeOver> {
  const { ctx } = deps;
  const { keys } = ctx;
  const oldKey = keys.coord(from, spc);
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const header = await readHeader(ctx, { prj, spc });
    const success: Op[] = [{ op: 'delete', key: oldKey }];
    const needed: Compare[] = [...compares];
    if (header === undefined) needed.push(absent(keys.spec(prj, spc)));
    else needed.push(unchanged(header.key, header.modRevision));
    if (isHeldBy(header, from)) {
      const next = coordinatorFor(deps, spc);
      if (next === undefined || next.member.id === from) return 'later';
      const record: SpecHeader = { ...header.record, coordinator: next.member.id };
      needed.push(next.compare);
      success.push(
        { op: 'put', key: header.key, value: codecs.spec.encode(record) },
        { op: 'put', key: keys.coord(next.member.id, spc), value: codecs.coord.encode({ v: SCHEMA_VERSION, prj }) },
      );
    }
    const answer = await settleTxn(ctx, signal, { compares: needed, success, failure: [{ op: 'get', key: oldKey }] });
    if (answer.outcome === 'applied') return 'done';
    const [left] = answer.answers;
    if (left?.op === 'get' && left.kv === undefined) return 'done';
  }
  return 'later';
}

function isHeldBy(header: Stored<SpecHeader> | undefined, node: NodeId): header is Stored<SpecHeader> {
  return header !== undefined && header.record.coordinator === node && !isFinalSpec(header.record);
}

/**
 * Live views: a spec or a task, now and on every change. A follower watches what its subject's records are: the spec's
 * header and results, and, for the tasks in between, the subject's own short range of each live node's queue. Its cost is its
 * own; a node nobody follows from watches none of this.
 *
 * Changes are gathered and told at most ten times a second, the newest state of each task only. When a watch is lost (the
 * start was compacted away) the follower begins anew with the present state; so does it when the set of nodes changes.
 */
import {
  BoiError,
  indexOf,
  type ProjectId,
  type SpecEvent,
  type SpecId,
  sleep,
  specOf,
  type TaskId,
  taskId,
} from '@boi/core';
import { compareRevisions, nextRevision, type Revision, type Watch, type WatchEvent } from '@boi/store';
import { onlyKey } from '../base/mirror.ts';
import type { NodeDeps } from '../deps.ts';
import { type KeyRange, lastPart } from '../keys.ts';
import { entryKey, likelyOwners, type QueueOwner } from '../placement/queue-scan.ts';
import { codecs, type SpecHeader } from '../records.ts';
import { noSpec } from '../spec/cancel.ts';
import { isFinalSpec, readHeader } from '../spec/spec-ref.ts';
import type { LogPlaces } from './api-types.ts';
import { projectName } from './node-admin.ts';
import { logPlaces } from './task-queries.ts';
import { projectRef, type SeenTask, specView, taskView } from './views.ts';

/** Ten times a second. */
const COALESCE_MS = 100;
const AGAIN_MS = 500;
/** Task events told in one go; the rest follow with the next. */
const TASKS_PER_FLUSH = 1_000;
/** A follower of one task looks by itself this often, in case its task is where nothing is watched (a dead node's queue). */
const LOOK_MS = 2_000;

/** Watches several ranges from one revision on; `changed` at each event, `lost` once when any watch ends. */
class Watches {
  readonly #watches: Watch[] = [];
  #lost = false;

  constructor(
    { ctx }: NodeDeps,
    ranges: readonly KeyRange[],
    fromRevision: Revision,
    onEvents: (events: readonly WatchEvent[], range: number) => void,
    onLost: () => void,
  ) {
    for (const [i, range] of ranges.entries()) {
      this.#watches.push(
        ctx.store.watch(
          { ...range, fromRevision },
          {
            onEvents: (events) => {
              if (!this.#lost) onEvents(events, i);
            },
            onLost: () => {
              if (this.#lost) return;
              this.#lost = true;
              onLost();
            },
          },
        ),
      );
    }
  }

  cancel(): void {
    this.#lost = true;
    for (const watch of this.#watches) watch.cancel();
  }
}

interface Pending {
  readonly revision: Revision;
  readonly seen: SeenTask;
}

/** Resolves after `end` was told or when the signal aborts; rejects with `not-found`. */
export async function followSpec(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  options: { readonly tasks: boolean },
  onEvent: (event: SpecEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const project = projectRef(prj, await projectName(deps, prj));
  for (let first = true; !signal.aborted; first = false) {
    try {
      if (await followOnce(deps, prj, spc, options, (event) => onEvent(event), project, signal)) return;
    } catch (error) {
      if (signal.aborted) return;
      if (first || (error instanceof BoiError && error.code === 'not-found')) throw error;
      await pause(deps, AGAIN_MS, signal);
    }
  }
}

/** True when the spec has ended and that was told; false to begin anew. */
async function followOnce(
  deps: NodeDeps,
  prj: ProjectId,
  spc: SpecId,
  options: { readonly tasks: boolean },
  onEvent: (event: SpecEvent) => void,
  project: { id: string; name?: string },
  signal: AbortSignal,
): Promise<boolean> {
  const { ctx, membership, bodies } = deps;
  const { kv, revision } = await ctx.store.get(ctx.keys.spec(prj, spc));
  if (kv === undefined) throw noSpec(spc);
  let header: SpecHeader = codecs.spec.decode(kv.key, kv.value);
  let headerNew = true;
  const pending = new Map<number, Pending>();
  let anew = false;
  const owners: QueueOwner[] = likelyOwners(membership.snapshot());
  const wholeSpec = (owner: QueueOwner): KeyRange => ({
    start: entryKey(ctx, owner, taskId(spc, 1)),
    end: `${entryKey(ctx, owner, taskId(spc, header.tasks))} `,
  });
  const ranges = [onlyKey(ctx.keys.spec(prj, spc))];
  if (options.tasks) ranges.push(ctx.keys.resultsOf(spc), ctx.keys.blockedOf(spc), ...owners.map(wholeSpec));
  const watches = new Watches(
    deps,
    ranges,
    nextRevision(revision),
    (events, range) => {
      for (const event of events) {
        if (event.type === 'delete') {
          if (range === 0) anew = true;
          continue;
        }
        const { key, value, modRevision, createRevision } = event.kv;
        if (range === 0) {
          header = codecs.spec.decode(key, value);
          headerNew = true;
          continue;
        }
        const index = indexOf(lastPart(key) as TaskId);
        const known = pending.get(index);
        if (known !== undefined && compareRevisions(known.revision, modRevision) > 0) continue;
        const seen: SeenTask =
          range === 1
            ? { kind: 'result', record: codecs.result.decode(key, value) }
            : range === 2
              ? { kind: 'blocked', record: codecs.blocked.decode(key, value) }
              : {
                  kind: 'entry',
                  owner: owners[range - 3],
                  entry: { key, record: codecs.entry.decode(key, value), createRevision, modRevision },
                };
        pending.set(index, { revision: modRevision, seen });
      }
    },
    () => {
      anew = true;
    },
  );
  const nodesChanged = membership.onChange(({ members }) => {
    if (members.size !== owners.length - 1 || owners.some((owner) => owner !== undefined && !members.has(owner))) {
      anew = true;
    }
  });
  try {
    for (;;) {
      const due = [...pending].sort(([a], [b]) => a - b).slice(0, TASKS_PER_FLUSH);
      for (const [index, { seen }] of due) {
        pending.delete(index);
        const definition = await bodies.find(spc, header, index);
        signal.throwIfAborted();
        const task = taskView(spc, index, definition, seen, membership.snapshot(), ctx.clock.now());
        onEvent({ type: 'task', task });
      }
      const last = pending.size === 0 && isFinalSpec(header);
      if (headerNew) {
        headerNew = false;
        onEvent({ type: 'spec', spec: specView(project, spc, header) });
      }
      if (last) {
        onEvent({ type: 'end', spec: specView(project, spc, header) });
        return true;
      }
      if (anew) return false;
      await sleep(ctx.clock, COALESCE_MS, signal);
    }
  } finally {
    nodesChanged();
    watches.cancel();
  }
}

/** Tells where a task is and has been, now and whenever that changes; resolves when the task and its spec's archive are final, or on abort. */
export async function followTask(
  deps: NodeDeps,
  prj: ProjectId,
  tsk: TaskId,
  onChange: (places: LogPlaces) => void,
  signal: AbortSignal,
): Promise<void> {
  const { ctx, membership } = deps;
  const spc = specOf(tsk);
  let told = '';
  while (!signal.aborted) {
    let wake: () => void = () => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const unsubscribe = membership.onChange(() => wake());
    let watches: Watches | undefined;
    try {
      const keys = [
        ctx.keys.result(spc, tsk),
        ctx.keys.blocked(spc, tsk),
        ...likelyOwners(membership.snapshot()).map((owner) => entryKey(ctx, owner, tsk)),
      ];
      const { revision } = await ctx.store.get(keys[0] as string);
      watches = new Watches(deps, keys.map(onlyKey), nextRevision(revision), wake, wake);
      const places = await logPlaces(deps, prj, tsk);
      const now = JSON.stringify(places);
      if (now !== told) {
        told = now;
        onChange(places);
      }
      const header = await readHeader(ctx, { prj, spc });
      if (header === undefined || header.record.archived !== undefined) return;
      await Promise.race([woken, pause(deps, LOOK_MS, signal)]);
    } catch (error) {
      if (signal.aborted) return;
      if (told === '' || (error instanceof BoiError && error.code === 'not-found')) throw error;
      await pause(deps, AGAIN_MS, signal);
    } finally {
      unsubscribe();
      watches?.cancel();
    }
  }
}

/** A sleep that ends early, without an error, when the signal aborts. */
function pause({ ctx }: NodeDeps, ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ctx.clock, ms, signal).catch(() => undefined);
}

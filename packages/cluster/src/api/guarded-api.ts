/**
 * The API as the daemon serves it: each operation of api.ts, but with an answer within three seconds when the store is away
 * (reach.ts), from memory where the caller allows it (cached-views.ts), and without new work while the operator has taken
 * this node out (local-fallback.ts).
 *
 * A write that was sent and not answered is `outcome-unknown`. Of a dispatch the answer names the spec: it may yet be
 * accepted, and the same idempotency key tells.
 */
import {
  BoiError,
  type CancelAnswer,
  type ClusterView,
  type DispatchAnswer,
  type DispatchBody,
  type DryRunAnswer,
  type FsckReport,
  type GroupId,
  type GroupView,
  type LocalView,
  type NodeId,
  type NodeView,
  type ProjectId,
  type RouteQuery,
  type SpecEvent,
  type SpecId,
  type SpecView,
  type TaskId,
  type TaskView,
} from '@boi/core';
import type { StoreHealth } from '../base/store-health.ts';
import type { NodeDeps } from '../deps.ts';
import type { AcceptProgress } from '../spec/draft.ts';
import type { Api } from './api.ts';
import type { Actor, ClusterApi, LogPlaces, NodePage, Page, Stale } from './api-types.ts';
import { roomToDispatch } from './audit-room.ts';
import { cachedCluster, cachedNode, cachedNodes } from './cached-views.ts';
import type { LocalFallback } from './local-fallback.ts';
import { outcomeUnknown, Reach } from './reach.ts';

export interface GuardedApiOptions {
  readonly api: Api;
  readonly deps: NodeDeps;
  readonly health: StoreHealth;
  readonly fallback: LocalFallback;
  readonly local: () => Promise<LocalView>;
}

export class GuardedApi implements ClusterApi {
  readonly #options: GuardedApiOptions;
  readonly #api: Api;
  readonly #reach: Reach;

  constructor(options: GuardedApiOptions) {
    this.#options = options;
    this.#api = options.api;
    this.#reach = new Reach(options.deps.ctx, options.health);
  }

  project(idOrName: string): Promise<{ id: ProjectId; name?: string }> {
    return this.#read(() => this.#api.project(idOrName));
  }

  dispatch(project: ProjectId, body: DispatchBody, actor?: Actor): Promise<DispatchAnswer> {
    return this.#dispatching(project, () => this.#dispatch(project, body, actor));
  }

  async #dispatch(project: ProjectId, body: DispatchBody, actor?: Actor): Promise<DispatchAnswer> {
    this.#options.fallback.refuse();
    let progress: AcceptProgress | undefined;
    const { idempotencyKey } = body;
    return this.#reach.ask({
      work: (caller) => {
        progress = { caller };
        return this.#api.dispatch(project, body, actor, progress);
      },
      answeredMono: () => progress?.answeredMono,
      silent: () =>
        progress?.sent === undefined
          ? notSent()
          : outcomeUnknown(
              idempotencyKey === undefined
                ? `look whether there is ${progress.sent} before sending it again`
                : 'send the same again with the same idempotency key: it cannot be accepted twice',
              { spec: progress.sent, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) },
            ),
    });
  }

  plan(project: ProjectId, body: DispatchBody): Promise<DryRunAnswer> {
    return this.#read(() => this.#api.plan(project, body));
  }

  listSpecs(project: ProjectId, query: RouteQuery<'spec.list'>): Promise<Page<SpecView>> {
    return this.#read(() => this.#api.listSpecs(project, query));
  }

  spec(project: ProjectId, idOrName: string): Promise<SpecView> {
    return this.#read(() => this.#api.spec(project, idOrName));
  }

  listTasks(project: ProjectId, spec: SpecId, query: RouteQuery<'spec.tasks'>): Promise<Page<TaskView>> {
    return this.#read(() => this.#api.listTasks(project, spec, query));
  }

  /** Goes on over an outage: what follows is told when the store is back. */
  followSpec(
    project: ProjectId,
    spec: SpecId,
    options: { readonly tasks: boolean },
    onEvent: (event: SpecEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#api.followSpec(project, spec, options, onEvent, signal);
  }

  cancelSpec(project: ProjectId, spec: SpecId, actor?: Actor): Promise<CancelAnswer> {
    return this.#write(() => this.#api.cancelSpec(project, spec, actor));
  }

  retrySpec(project: ProjectId, spec: SpecId, key?: string, actor?: Actor): Promise<DispatchAnswer> {
    return this.#dispatching(project, () => {
      this.#options.fallback.refuse();
      return this.#write(() => this.#api.retrySpec(project, spec, key, actor));
    });
  }

  /** Not while the audit is full, which the caller is told; each other refusal is an event. */
  async #dispatching(project: ProjectId, work: () => Promise<DispatchAnswer>): Promise<DispatchAnswer> {
    const { ctx } = this.#options.deps;
    await roomToDispatch(ctx);
    try {
      return await work();
    } catch (error) {
      const reason = error instanceof BoiError ? error.code : 'internal';
      // It may be accepted yet.
      if (reason !== 'outcome-unknown') ctx.events.tell({ kind: 'dispatch.refused', project, reason });
      throw error;
    }
  }

  resolveTask(project: ProjectId, idOrPath: string): Promise<TaskId> {
    return this.#read(() => this.#api.resolveTask(project, idOrPath));
  }

  task(project: ProjectId, task: TaskId): Promise<TaskView> {
    return this.#read(() => this.#api.task(project, task));
  }

  logPlaces(project: ProjectId, task: TaskId): Promise<LogPlaces> {
    return this.#read(() => this.#api.logPlaces(project, task));
  }

  followTask(
    project: ProjectId,
    task: TaskId,
    onChange: (places: LogPlaces) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return this.#api.followTask(project, task, onChange, signal);
  }

  cancelTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<CancelAnswer> {
    return this.#write(() => this.#api.cancelTask(project, task, actor));
  }

  async retryTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<TaskView> {
    this.#options.fallback.refuse();
    return this.#write(() => this.#api.retryTask(project, task, actor));
  }

  killTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<TaskView> {
    return this.#write(() => this.#api.killTask(project, task, actor));
  }

  listNodes(query: RouteQuery<'node.list'>): Promise<NodePage> {
    const { deps } = this.#options;
    return this.#staleOk(
      query.stale,
      () => this.#api.listNodes(query),
      (ageMs) => cachedNodes(deps, query.name, ageMs),
    );
  }

  node(idOrName: string, stale?: Stale): Promise<NodeView> {
    const { deps } = this.#options;
    return this.#staleOk(
      stale,
      () => this.#api.node(idOrName),
      (ageMs) => cachedNode(deps, idOrName, ageMs),
    );
  }

  cordon(node: NodeId, actor?: Actor): Promise<NodeView> {
    return this.#write(() => this.#api.cordon(node, actor));
  }

  uncordon(node: NodeId): Promise<NodeView> {
    return this.#write(() => this.#api.uncordon(node));
  }

  drain(node: NodeId, deadlineMs: number, actor?: Actor): Promise<NodeView> {
    return this.#write(() => this.#api.drain(node, deadlineMs, actor));
  }

  removeNode(node: NodeId, options?: { readonly expelled?: boolean }): Promise<{ id: NodeId; moved: number }> {
    return this.#write(() => this.#api.removeNode(node, options));
  }

  createGroup(name?: string, actor?: Actor): Promise<GroupView> {
    return this.#write(() => this.#api.createGroup(name, actor));
  }

  listGroups(query: RouteQuery<'group.list'>): Promise<Page<GroupView>> {
    return this.#read(() => this.#api.listGroups(query));
  }

  group(idOrName: string): Promise<GroupView> {
    return this.#read(() => this.#api.group(idOrName));
  }

  addToGroup(idOrName: string, members: readonly string[]): Promise<GroupView> {
    return this.#write(() => this.#api.addToGroup(idOrName, members));
  }

  removeFromGroup(idOrName: string, members: readonly string[]): Promise<GroupView> {
    return this.#write(() => this.#api.removeFromGroup(idOrName, members));
  }

  deleteGroup(idOrName: string): Promise<{ id: GroupId }> {
    return this.#write(() => this.#api.deleteGroup(idOrName));
  }

  cluster(stale?: Stale): Promise<ClusterView> {
    const { deps } = this.#options;
    return this.#staleOk(
      stale,
      () => this.#api.cluster(),
      (ageMs) => cachedCluster(deps, ageMs),
    );
  }

  setPaused(paused: boolean, actor?: Actor): Promise<ClusterView> {
    return this.#write(() => this.#api.setPaused(paused, actor));
  }

  fsck(): Promise<FsckReport> {
    return this.#read(() => this.#api.fsck());
  }

  repair(apply: boolean): Promise<FsckReport> {
    return this.#write(() => this.#api.repair(apply));
  }

  local(): Promise<LocalView> {
    return this.#options.local();
  }

  async setFallback(on: boolean): Promise<LocalView> {
    await this.#options.fallback.set(on);
    return this.#options.local();
  }

  notice(): string | undefined {
    return this.#options.fallback.notice;
  }

  #read<T>(work: () => Promise<T>): Promise<T> {
    return this.#reach.ask({ work });
  }

  #write<T>(work: () => Promise<T>): Promise<T> {
    return this.#reach.ask({ work, silent: () => outcomeUnknown('look before you repeat it') });
  }

  /** From the store if it answers; else from memory, if that is enough. */
  async #staleOk<T>(stale: Stale | undefined, work: () => Promise<T>, cached: (ageMs: number) => T): Promise<T> {
    if (stale === undefined) return this.#read(work);
    const { health } = this.#options;
    if (!health.reachable) return cached(health.ageMs);
    try {
      return await this.#reach.ask({ work, spared: true });
    } catch (error) {
      if (error instanceof BoiError && error.code === 'store-unreachable') return cached(health.ageMs);
      throw error;
    }
  }
}

function notSent(): BoiError {
  return new BoiError(
    'store-unreachable',
    'the store does not answer this node; nothing was sent, and nothing will be: ask another node, or the same again later',
    { retryAfterS: 2 },
  );
}

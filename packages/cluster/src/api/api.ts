/**
 * Everything the HTTP layer asks of a node, in wire types: one short method per operation, the work is in the files named
 * after it. Built from the node's dependencies; `adopter` and `dispatcher` are the node's own, so that a request and the
 * duty in the background never work against each other.
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
import type { NodeDeps } from '../deps.ts';
import { addMembers, createGroup, deleteGroup, readGroups, removeMembers } from '../group/change-groups.ts';
import { findGroup, listGroups, resolveMembers, showGroup } from '../group/group-queries.ts';
import { locateTask } from '../placement/locate.ts';
import { cancelSpec, cancelTask, noTask } from '../spec/cancel.ts';
import type { Dispatcher } from '../spec/dispatch.ts';
import type { AcceptProgress } from '../spec/draft.ts';
import { planDispatch } from '../spec/plan-dispatch.ts';
import { retrySpec, retryTask } from '../spec/retry.ts';
import type { Adopter } from '../takeover/adopter.ts';
import { killClaim } from '../takeover/kill.ts';
import { fsck } from '../upkeep/fsck.ts';
import { repair } from '../upkeep/fsck-repair.ts';
import { SpecCount } from '../upkeep/spec-count.ts';
import type { Actor, ClusterApi, LogPlaces, NodePage, Page } from './api-types.ts';
import { followSpec, followTask } from './follow.ts';
import {
  clusterView,
  cordon,
  drain,
  findNode,
  findProject,
  listNodes,
  projectName,
  setPaused,
  showNode,
  uncordon,
} from './node-admin.ts';
import { findSpec, listSpecs } from './spec-queries.ts';
import { listTasks, logPlaces, resolveTask, showTask } from './task-queries.ts';
import { projectRef, specView } from './views.ts';

/** Longest a write waits for a store that gives no definite answer. */
const WRITE_WITHIN_MS = 30_000;

export interface ApiParts {
  readonly dispatcher: Dispatcher;
  readonly adopter: Pick<Adopter, 'removeNode'>;
}

/** Everything of {@link ClusterApi} that needs the store. */
export class Api implements Omit<ClusterApi, 'local' | 'setFallback' | 'notice'> {
  readonly #deps: NodeDeps;
  readonly #parts: ApiParts;
  readonly #specCount: SpecCount;

  constructor(deps: NodeDeps, parts: ApiParts) {
    this.#deps = deps;
    this.#parts = parts;
    this.#specCount = new SpecCount(deps.ctx);
  }

  project(idOrName: string): Promise<{ id: ProjectId; name?: string }> {
    return findProject(this.#deps, idOrName);
  }

  dispatch(project: ProjectId, body: DispatchBody, actor?: Actor, progress?: AcceptProgress): Promise<DispatchAnswer> {
    return this.#parts.dispatcher.dispatch(project, body, actor, progress);
  }

  plan(project: ProjectId, body: DispatchBody): Promise<DryRunAnswer> {
    return planDispatch(this.#deps, project, body);
  }

  async listSpecs(project: ProjectId, query: RouteQuery<'spec.list'>): Promise<Page<SpecView>> {
    return listSpecs(this.#deps, projectRef(project, await projectName(this.#deps, project)), query);
  }

  async spec(project: ProjectId, idOrName: string): Promise<SpecView> {
    const { spc, header } = await findSpec(this.#deps, project, idOrName);
    return specView(projectRef(project, await projectName(this.#deps, project)), spc, header.record);
  }

  listTasks(project: ProjectId, spec: SpecId, query: RouteQuery<'spec.tasks'>): Promise<Page<TaskView>> {
    return listTasks(this.#deps, project, spec, query);
  }

  followSpec(
    project: ProjectId,
    spec: SpecId,
    options: { readonly tasks: boolean },
    onEvent: (event: SpecEvent) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return followSpec(this.#deps, project, spec, options, onEvent, signal);
  }

  cancelSpec(project: ProjectId, spec: SpecId, actor?: Actor): Promise<CancelAnswer> {
    return this.#write((signal) => cancelSpec(this.#deps, project, spec, signal, actor));
  }

  retrySpec(project: ProjectId, spec: SpecId, idempotencyKey?: string, actor?: Actor): Promise<DispatchAnswer> {
    return retrySpec(this.#deps, this.#parts.dispatcher, project, spec, idempotencyKey, actor);
  }

  resolveTask(project: ProjectId, idOrPath: string): Promise<TaskId> {
    return resolveTask(this.#deps, project, idOrPath);
  }

  task(project: ProjectId, task: TaskId): Promise<TaskView> {
    return showTask(this.#deps, project, task);
  }

  logPlaces(project: ProjectId, task: TaskId): Promise<LogPlaces> {
    return logPlaces(this.#deps, project, task);
  }

  followTask(
    project: ProjectId,
    task: TaskId,
    onChange: (places: LogPlaces) => void,
    signal: AbortSignal,
  ): Promise<void> {
    return followTask(this.#deps, project, task, onChange, signal);
  }

  cancelTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<CancelAnswer> {
    return this.#write((signal) => cancelTask(this.#deps, project, task, signal, actor));
  }

  async retryTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<TaskView> {
    await this.#write((signal) => retryTask(this.#deps, project, task, signal, actor));
    return showTask(this.#deps, project, task);
  }

  async killTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<TaskView> {
    const place = await locateTask(this.#deps, project, task);
    if (place.header === undefined) throw noTask(task);
    if (place.kind !== 'entry' || place.entry.record.claim === undefined) {
      throw new BoiError('wrong-state', `${task} is claimed by no node`, { details: { task } });
    }
    const { owner, entry } = place;
    const killed = await this.#write((signal) => killClaim(this.#deps, task, owner, entry, signal, actor));
    if (!killed) throw new BoiError('conflict', `${task} changed meanwhile; look again`, { details: { task } });
    return showTask(this.#deps, project, task);
  }

  listNodes(query: RouteQuery<'node.list'>): Promise<NodePage> {
    return listNodes(this.#deps, query);
  }

  async node(idOrName: string): Promise<NodeView> {
    return showNode(this.#deps, await findNode(this.#deps, idOrName));
  }

  async cordon(node: NodeId, actor?: Actor): Promise<NodeView> {
    const id = await findNode(this.#deps, node);
    return this.#write((signal) => cordon(this.#deps, id, signal, actor));
  }

  async uncordon(node: NodeId): Promise<NodeView> {
    const id = await findNode(this.#deps, node);
    return this.#write((signal) => uncordon(this.#deps, id, signal));
  }

  async drain(node: NodeId, deadlineMs: number, actor?: Actor): Promise<NodeView> {
    const id = await findNode(this.#deps, node);
    return this.#write((signal) => drain(this.#deps, id, deadlineMs, signal, actor));
  }

  async removeNode(node: NodeId, options?: { readonly expelled?: boolean }): Promise<{ id: NodeId; moved: number }> {
    const id = await findNode(this.#deps, node);
    return { id, moved: await this.#parts.adopter.removeNode(id, options) };
  }

  async createGroup(name?: string, actor?: Actor): Promise<GroupView> {
    const { ctx, membership } = this.#deps;
    const { defaultProject } = membership.snapshot().cluster;
    const id = await this.#write((signal) => createGroup(ctx, defaultProject, name, signal, actor));
    return showGroup(this.#deps, id);
  }

  listGroups(query: RouteQuery<'group.list'>): Promise<Page<GroupView>> {
    return listGroups(this.#deps, query);
  }

  group(idOrName: string): Promise<GroupView> {
    return showGroup(this.#deps, idOrName);
  }

  addToGroup(idOrName: string, members: readonly string[]): Promise<GroupView> {
    return this.#changeGroup(idOrName, members, addMembers);
  }

  removeFromGroup(idOrName: string, members: readonly string[]): Promise<GroupView> {
    return this.#changeGroup(idOrName, members, removeMembers);
  }

  async deleteGroup(idOrName: string): Promise<{ id: GroupId }> {
    const { ctx, membership } = this.#deps;
    const id = findGroup(await readGroups(ctx), idOrName);
    const { defaultProject } = membership.snapshot().cluster;
    await this.#write((signal) => deleteGroup(ctx, defaultProject, id, signal));
    return { id };
  }

  async #changeGroup(
    idOrName: string,
    members: readonly string[],
    change: typeof addMembers | typeof removeMembers,
  ): Promise<GroupView> {
    const groups = await readGroups(this.#deps.ctx);
    const id = findGroup(groups, idOrName);
    const resolved = await resolveMembers(this.#deps, groups, members);
    await this.#write((signal) => change(this.#deps.ctx, id, resolved, signal));
    return showGroup(this.#deps, id);
  }

  cluster(): Promise<ClusterView> {
    return clusterView(this.#deps, this.#specCount);
  }

  async setPaused(paused: boolean, actor?: Actor): Promise<ClusterView> {
    await this.#write((signal) => setPaused(this.#deps, paused, signal, actor));
    return clusterView(this.#deps, this.#specCount);
  }

  fsck(): Promise<FsckReport> {
    return fsck(this.#deps);
  }

  repair(apply: boolean): Promise<FsckReport> {
    return this.#write((signal) => repair(this.#deps, apply, signal));
  }

  /** A request does not wait for a store for ever: past the limit the caller is told that the outcome is not known. */
  async #write<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const giveUp = new AbortController();
    const timer = this.#deps.ctx.clock.timer(WRITE_WITHIN_MS, () =>
      giveUp.abort(
        new BoiError('outcome-unknown', 'the store gave no definite answer; look before you repeat it', {
          retryAfterS: 2,
        }),
      ),
    );
    try {
      return await work(giveUp.signal);
    } finally {
      timer.cancel();
    }
  }
}

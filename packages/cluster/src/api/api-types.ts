/**
 * What a node offers to the HTTP layer: every operation and query of the API, in wire types. Look-ups take ids or names;
 * an ambiguous name is `ambiguous-name` with the candidates in `details`. Queries throw `store-unreachable` when the store is.
 */
import type {
  CancelAnswer,
  ClusterView,
  DispatchAnswer,
  DispatchBody,
  DryRunAnswer,
  FsckReport,
  GroupId,
  GroupView,
  LocalView,
  NodeId,
  NodeView,
  ProjectId,
  RouteQuery,
  SpecEvent,
  SpecId,
  SpecView,
  TaskId,
  TaskState,
  TaskView,
} from '@boi/core';

export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/** All of them on one page; with an age when they are what the node remembers. */
export interface NodePage {
  readonly items: readonly NodeView[];
  readonly ageMs?: number;
}

/** What the node remembers will do while the store is away. */
export type Stale = 'ok';

/** Where a task's output is: one line per claim that started or may have started it, oldest first. */
export interface LogPlace {
  readonly attempt: number;
  readonly delivery: number;
  readonly node: NodeId;
  /** URL of that node's API while it lives. */
  readonly address?: string;
  /** For one that is gone: wall clock of when this was noticed, if known. */
  readonly goneSince?: number;
}

export interface LogPlaces {
  readonly project: ProjectId;
  readonly spec: SpecId;
  readonly task: TaskId;
  readonly state: TaskState;
  readonly places: readonly LogPlace[];
  /** Stored last output, when the task has ended. */
  readonly tail?: string;
}

/** Who asked; never trusted from a body. Every operation that takes one keeps it in the record it writes. */
export interface Actor {
  readonly name: string;
}

/** Groups of nodes, users and groups. Look-ups take ids or names. */
export interface GroupsApi {
  /** Throws `invalid-name`, `reserved-identifier`, `too-large`. */
  createGroup(name?: string, actor?: Actor): Promise<GroupView>;
  listGroups(query: RouteQuery<'group.list'>): Promise<Page<GroupView>>;
  group(idOrName: string): Promise<GroupView>;
  /** Idempotent. Throws `cycle-detected`, `too-large`. Members are ids, or names of live nodes and of groups. */
  addToGroup(idOrName: string, members: readonly string[]): Promise<GroupView>;
  /** Idempotent. */
  removeFromGroup(idOrName: string, members: readonly string[]): Promise<GroupView>;
  /** Throws `reserved-identifier` for one that carries authority. */
  deleteGroup(idOrName: string): Promise<{ id: GroupId }>;
}

export interface ClusterApi extends GroupsApi {
  project(idOrName: string): Promise<{ id: ProjectId; name?: string }>;
  dispatch(project: ProjectId, body: DispatchBody, actor?: Actor): Promise<DispatchAnswer>;
  plan(project: ProjectId, body: DispatchBody): Promise<DryRunAnswer>;
  listSpecs(project: ProjectId, query: RouteQuery<'spec.list'>): Promise<Page<SpecView>>;
  spec(project: ProjectId, idOrName: string): Promise<SpecView>;
  listTasks(project: ProjectId, spec: SpecId, query: RouteQuery<'spec.tasks'>): Promise<Page<TaskView>>;
  /** Calls `onEvent` at once with the present state, then on every change; ends after `end` or when `signal` aborts. */
  followSpec(
    project: ProjectId,
    spec: SpecId,
    options: { readonly tasks: boolean },
    onEvent: (event: SpecEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  cancelSpec(project: ProjectId, spec: SpecId, actor?: Actor): Promise<CancelAnswer>;
  retrySpec(project: ProjectId, spec: SpecId, idempotencyKey?: string, actor?: Actor): Promise<DispatchAnswer>;
  /** `<task id>` or `<spec id or name>/<ref>`. */
  resolveTask(project: ProjectId, idOrPath: string): Promise<TaskId>;
  task(project: ProjectId, task: TaskId): Promise<TaskView>;
  logPlaces(project: ProjectId, task: TaskId): Promise<LogPlaces>;
  /** Resolves when the task's place or state changes after `LogPlaces` was answered, or the signal aborts. */
  followTask(
    project: ProjectId,
    task: TaskId,
    onChange: (places: LogPlaces) => void,
    signal: AbortSignal,
  ): Promise<void>;
  cancelTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<CancelAnswer>;
  retryTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<TaskView>;
  killTask(project: ProjectId, task: TaskId, actor?: Actor): Promise<TaskView>;
  listNodes(query: RouteQuery<'node.list'>): Promise<NodePage>;
  node(idOrName: string, stale?: Stale): Promise<NodeView>;
  cordon(node: NodeId, actor?: Actor): Promise<NodeView>;
  uncordon(node: NodeId): Promise<NodeView>;
  drain(node: NodeId, deadlineMs: number, actor?: Actor): Promise<NodeView>;
  /** `expelled`: its membership has ended; nothing is left for it to commit. */
  removeNode(node: NodeId, options?: { readonly expelled?: boolean }): Promise<{ id: NodeId; moved: number }>;
  cluster(stale?: Stale): Promise<ClusterView>;
  setPaused(paused: boolean, actor?: Actor): Promise<ClusterView>;
  fsck(): Promise<FsckReport>;
  /** Checks, and mends what is safe; without `apply` says what it would mend. */
  repair(apply: boolean): Promise<FsckReport>;
  /** What this node holds, without the store. */
  local(): Promise<LocalView>;
  /** The operator's escape: this node out of work, or back, also without the store. */
  setFallback(on: boolean): Promise<LocalView>;
  /** What every answer of this node must say beside what was asked; undefined: nothing. */
  notice(): string | undefined;
}

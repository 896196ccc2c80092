/**
 * What must hold of a spec at every revision, judged anew from its definitions and the results that stand: the product's own
 * readiness code is not asked.
 *
 * - a task is released only when its `when` allows it, and skipped only when its `when` will never allow it
 * - no more tasks of a spec are queued or running than its own limit says
 * - nothing ends as cancelled that nobody cancelled and no failure policy stopped
 * - an archive holds every result of its spec, as it was
 */
import { codecs, type ResultRecord, type SpecHeader } from '@boi/cluster';
import { decodeArchive, decodeChunk } from '@boi/cluster/testing';
import { indexOf, type SpecId, specOf, type TaskDefinition, type TaskId, taskId } from '@boi/core';

type Ended = Pick<ResultRecord, 'outcome' | 'byFailure'>;

export class SpecRules {
  readonly #violate: (what: string) => void;
  readonly #definitions = new Map<SpecId, Map<number, TaskDefinition>>();
  /** Results that stand, or stood when their spec was archived. */
  readonly #results = new Map<TaskId, ResultRecord>();
  readonly #bySpec = new Map<SpecId, Set<TaskId>>();
  readonly #archives = new Map<SpecId, Map<number, [index: number, result: ResultRecord][]>>();
  /** Specs and tasks that somebody asked to cancel. */
  readonly #cancels = new Set<string>();

  constructor(violate: (what: string) => void) {
    this.#violate = violate;
  }

  asked(id: string): void {
    this.#cancels.add(id);
  }

  header(spec: SpecId, header: SpecHeader): void {
    if (header.def !== undefined) {
      this.#definitions.set(spec, new Map([[1, header.def as unknown as TaskDefinition]]));
    }
  }

  body(spec: SpecId, key: string, value: Buffer): void {
    const { first, tasks } = decodeChunk(key, value).chunk;
    const known = this.#definitions.get(spec) ?? new Map<number, TaskDefinition>();
    this.#definitions.set(spec, known);
    for (const [i, task] of tasks.entries()) known.set(first + i, task);
  }

  archive(spec: SpecId, n: number, key: string, value: Buffer): void {
    const chunks = this.#archives.get(spec) ?? new Map();
    this.#archives.set(spec, chunks);
    chunks.set(n, decodeArchive(key, value));
  }

  result(task: TaskId, result: ResultRecord): void {
    this.#results.set(task, result);
    const spec = specOf(task);
    const tasks = this.#bySpec.get(spec) ?? new Set<TaskId>();
    this.#bySpec.set(spec, tasks);
    tasks.add(task);
  }

  takenBack(task: TaskId): void {
    this.#results.delete(task);
    this.#bySpec.get(specOf(task))?.delete(task);
  }

  /** How many tasks of the spec have ended. */
  ended(spec: SpecId): number {
    return this.#bySpec.get(spec)?.size ?? 0;
  }

  released(task: TaskId): void {
    const definition = this.#definition(task);
    if (definition === undefined) return;
    const needs = this.#needs(task, definition);
    const missing = needs.filter(({ ended }) => ended === undefined);
    const when = definition.when ?? 'success';
    const told = `${task} was released`;
    for (const { need } of missing) this.#violate(`${told} while task ${need}, which it needs, had no result`);
    if (missing.length > 0) return;
    if (when === 'success' && needs.some(({ ended }) => ended?.outcome !== 'succeeded'))
      this.#violate(`${told} though not all it needs succeeded`);
    if (when === 'failure' && !needs.some(({ ended }) => isFailure(ended)))
      this.#violate(`${told} for a failure, and none it needs failed`);
  }

  skipped(task: TaskId): void {
    const definition = this.#definition(task);
    if (definition === undefined) return;
    const needs = this.#needs(task, definition);
    const when = definition.when ?? 'success';
    const never =
      when === 'success'
        ? needs.some(({ ended }) => ended !== undefined && ended.outcome !== 'succeeded')
        : when === 'failure' && needs.every(({ ended }) => ended !== undefined && !isFailure(ended));
    if (!never) this.#violate(`${task} was skipped, and could still have come to run (when: ${when})`);
  }

  cancelled(task: TaskId, header: SpecHeader | undefined, marked: boolean): void {
    const spec = specOf(task);
    if (marked || header?.cancel !== undefined || header?.failing === true) return;
    if (!this.#cancels.has(task) && !this.#cancels.has(spec)) this.#violate(`${task} was cancelled by nobody`);
  }

  archived(spec: SpecId, header: SpecHeader): void {
    const chunks = this.#archives.get(spec) ?? new Map();
    const kept = new Map<number, ResultRecord>();
    for (let n = 0; n < (header.archived?.chunks ?? 0); n++) {
      for (const [index, result] of chunks.get(n) ?? []) kept.set(index, result);
    }
    for (let index = 1; index <= header.tasks; index++) {
      const result = this.#results.get(taskId(spec, index));
      const found = kept.get(index);
      if (found === undefined || result === undefined || codecs.result.encode(found) !== codecs.result.encode(result)) {
        this.#violate(`the archive of ${spec} has not the result of task ${index} as it was`);
      }
    }
  }

  #definition(task: TaskId): TaskDefinition | undefined {
    return this.#definitions.get(specOf(task))?.get(indexOf(task));
  }

  #needs(task: TaskId, { needs = [] }: TaskDefinition): { need: number; ended: Ended | undefined }[] {
    const spec = specOf(task);
    return needs.map((need) => ({ need, ended: this.#results.get(taskId(spec, need)) }));
  }
}

function isFailure(ended: Ended | undefined): boolean {
  if (ended === undefined) return false;
  const { outcome, byFailure } = ended;
  return outcome === 'failed' || outcome === 'timed-out' || outcome === 'poison' || byFailure === true;
}

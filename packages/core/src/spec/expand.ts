/**
 * From the checked file to the tasks of the spec: instances, needs as indexes, definitions. Looks for everything that a
 * schema cannot say — duplicate refs, needs of nothing, cycles, expressions without a value, sizes — and reports all of it
 * at once. Builds all definitions only if nothing is wrong; of a faulty file just the first instance of each task.
 */
import type { TaskDefinition } from '../definition.ts';
import { isId } from '../ids.ts';
import { findCycles } from './cycles.ts';
import {
  buildFields,
  type FieldsFile,
  holesOf,
  mergeFields,
  type SpecFileValue,
  sharedFields,
  splitFields,
  type TaskFileValue,
} from './fields.ts';
import { countInstances, type Instances, matrixInstances, singleInstance } from './instances.ts';
import { SPEC_LIMITS } from './limits.ts';
import { NeedsResolver, type Placed } from './needs.ts';
import type { Path } from './source-tree.ts';
import type { Hint } from './suggest.ts';
import { expression, isTemplate, render, type Text } from './template.ts';

export interface Reporter {
  readonly any: boolean;
  readonly hint: Hint;
  /** `key`: the place of the field's name rather than of its value. */
  report(path: Path, message: string, key?: boolean): void;
}

interface Planned extends Placed {
  /** Place in the file's list. */
  readonly at: number;
  readonly file: TaskFileValue;
  readonly fields: FieldsFile;
}

/** The expanded tasks, or undefined if anything was or is reported. */
export function expandTasks(file: SpecFileValue, tasksMax: number, reporter: Reporter): TaskDefinition[] | undefined {
  const planned = plan(file, tasksMax, reporter);
  const total = planned.reduce((sum, task) => sum + task.instances.size, 0);
  const tooMany = total > tasksMax;
  if (tooMany) reporter.report(['tasks'], `expands to ${total} tasks; a spec may have at most ${tasksMax}`);
  const placed = new Map<string, Placed>();
  for (const task of planned) if (!placed.has(task.ref)) placed.set(task.ref, task);
  const resolver = new NeedsResolver(placed, reporter.hint);
  const needs: (readonly number[] | undefined)[] = [];
  const firsts: TaskDefinition[] = [];
  let bytes = 0;
  for (const task of planned) {
    // Of what will not be built anyhow the first instance is looked at, for the other mistakes.
    if (!resolveNeeds(task, tooMany ? 1 : task.instances.size, resolver, needs, reporter)) return undefined;
    const built = buildTask(task, 1, needs, reporter);
    firsts.push(...built.definitions);
    bytes += built.firstBytes * task.instances.size;
    if (bytes > SPEC_LIMITS.definitionsBytesMax && !tooMany) {
      reporter.report(
        ['tasks'],
        `the definitions of all tasks together have more than ${SPEC_LIMITS.definitionsBytesMax} bytes`,
      );
      return undefined;
    }
  }
  if (tooMany) return undefined;
  reportCycles(planned, total, needs, reporter);
  if (reporter.any) return undefined;
  const definitions = planned.flatMap((task, i) =>
    // The only one of its task is built already.
    task.instances.size === 1
      ? (firsts[i] as TaskDefinition)
      : buildTask(task, task.instances.size, needs, reporter).definitions,
  );
  return reporter.any ? undefined : definitions;
}

function plan(file: SpecFileValue, tasksMax: number, reporter: Reporter): Planned[] {
  const planned: Planned[] = [];
  const shared = sharedFields(file);
  reportEnvLength(file.defaults?.env === undefined ? ['env'] : ['defaults', 'env'], shared, reporter);
  reportTwoPlaces(['defaults'], file.defaults, reporter);
  const lines = new Map<string, number>();
  let first = 1;
  (file.tasks ?? []).forEach((task, at) => {
    if (task === undefined) return;
    const ref = task.ref ?? `\0${at}`;
    const twin = lines.get(ref);
    if (twin !== undefined)
      reporter.report(['tasks', at, 'ref'], `"${ref}" is the ref of tasks/${twin} already; give each task its own`);
    else lines.set(ref, at);
    reportTwoPlaces(['tasks', at], task, reporter);
    if (isId(ref)) reporter.report(['tasks', at, 'ref'], 'must not have the shape of an id');
    const instances = instancesOf(task, at, tasksMax, reporter);
    const fields = mergeFields(shared, task);
    reportExpressions(task, at, fields, instances, reporter);
    reportEnv(task, at, fields, reporter);
    planned.push({ ref, instances, first, at, file: task, fields });
    first += instances.size;
  });
  return planned;
}

function instancesOf(task: TaskFileValue, at: number, tasksMax: number, reporter: Reporter): Instances {
  const path = ['tasks', at];
  if (task.matrix !== undefined && task.count !== undefined)
    reporter.report([...path, 'count'], 'cannot stand beside matrix: make it an axis', true);
  if (task.matrix !== undefined) {
    const problem = (below: Path, message: string) => reporter.report([...path, 'matrix', ...below], message);
    // With a faulty matrix any answer will do: nothing of it is built.
    return matrixInstances(task.matrix, tasksMax, reporter.hint, problem) ?? countInstances(1);
  }
  return task.count === undefined ? singleInstance() : countInstances(task.count);
}

function reportTwoPlaces(path: Path, fields: FieldsFile | undefined, reporter: Reporter): void {
  if (fields?.workdir !== undefined && fields.workspace !== undefined)
    reporter.report([...path, 'workspace'], 'cannot stand beside workdir: a task runs in one of them', true);
}

function reportExpressions(
  task: TaskFileValue,
  at: number,
  fields: FieldsFile,
  instances: Instances,
  reporter: Reporter,
): void {
  const everything: Record<string, unknown> = { ...fields, needs: task.needs };
  for (const [field, value] of Object.entries(everything)) {
    const { axes, index } = holesOf(value);
    const path = ['tasks', at, field];
    if (index && task.count === undefined) reporter.report(path, `${expression('index')} is for tasks with count`);
    for (const axis of axes) {
      if (task.matrix === undefined)
        reporter.report(path, `${expression(`matrix.${axis}`)} is for tasks with a matrix`);
      else if (instances.axes.length > 0 && !instances.axes.includes(axis))
        reporter.report(path, `the matrix has no axis "${axis}"${reporter.hint(axis, instances.axes)}`);
    }
  }
}

function reportEnv(task: TaskFileValue, at: number, fields: FieldsFile, reporter: Reporter): void {
  if (task.env === undefined) return;
  for (const name of Object.keys(task.env))
    if (name.startsWith('BOI_'))
      reporter.report(['tasks', at, 'env', name], 'names beginning with BOI_ are set by the system', true);
  reportEnvLength(['tasks', at, 'env'], fields, reporter);
}

function reportEnvLength(path: Path, fields: FieldsFile, reporter: Reporter): void {
  let length = 0;
  for (const [name, value] of Object.entries(fields.env ?? {})) length += name.length + textLength(value);
  if (length > SPEC_LIMITS.envLengthMax)
    reporter.report(
      path,
      `names and values together must have at most ${SPEC_LIMITS.envLengthMax} characters, not ${length}`,
    );
}

function textLength(text: Text): number {
  if (!isTemplate(text)) return text.length;
  return text.parts.reduce((sum, part) => sum + (typeof part === 'string' ? part.length : 0), 0);
}

/** Fills in the needs of the first `instances` of a task; false if the spec has too many edges to go on. */
function resolveNeeds(
  task: Planned,
  instances: number,
  resolver: NeedsResolver,
  needs: (readonly number[] | undefined)[],
  reporter: Reporter,
): boolean {
  const { needs: given } = task.file;
  if (given === undefined) return true;
  const single = typeof given === 'string' || isTemplate(given);
  const kept: { readonly at: number; readonly text: Text }[] = [];
  (single ? [given] : given).forEach((text, at) => {
    if (text !== undefined) kept.push({ at, text });
  });
  const path = ['tasks', task.at, 'needs'];
  const problem = (i: number, message: string) => reporter.report(single ? path : [...path, kept[i]?.at ?? 0], message);
  const resolve = (i: number) =>
    resolver.all(
      kept.map(({ text }) => render(text, task.instances.values(i))),
      problem,
    );
  const constant = kept.every(({ text }) => typeof text === 'string');
  const shared = constant ? resolve(0) : undefined;
  if (!constant && !resolver.countTemplated(kept.length * instances)) {
    reporter.report(
      path,
      `needs with expressions are more than ${SPEC_LIMITS.templatedNeedsMax}, all instances together`,
    );
    return false;
  }
  for (let i = 0; i < instances; i++) {
    const indexes = shared ?? resolve(i);
    if (indexes.length > SPEC_LIMITS.needsMax) {
      reporter.report(
        path,
        `stands for more than ${SPEC_LIMITS.needsMax} tasks; put tasks in between that gather them`,
      );
      return true;
    }
    if (!resolver.count(indexes.length)) {
      reporter.report(
        ['tasks'],
        `the needs of all tasks together are more than ${SPEC_LIMITS.edgesMax}; put tasks in between that gather them`,
      );
      return false;
    }
    if (indexes.length > 0) needs[task.first + i] = indexes;
  }
  return true;
}

/** Cycles shown for one file. */
const CYCLES_MAX = 20;

function reportCycles(
  planned: readonly Planned[],
  total: number,
  needs: readonly (readonly number[] | undefined)[],
  reporter: Reporter,
): void {
  const seen = new Set<string>();
  for (const cycle of findCycles(total, (index) => needs[index], 100 * CYCLES_MAX)) {
    const refs = cycle.map((index) => {
      const task = taskAt(planned, index);
      return { task, ref: `${task.ref}${task.instances.suffix(index - task.first)}` };
    });
    // Instances of the same tasks make the same circle many times over: one is told.
    const kind = [...new Set(refs.map(({ task }) => task.at))].sort((a, b) => a - b).join();
    if (seen.has(kind) || seen.size >= CYCLES_MAX) continue;
    seen.add(kind);
    const start = refs.reduce((least, entry, i) => (entry.task.at < (refs[least]?.task.at ?? 0) ? i : least), 0);
    const turned = [...refs.slice(start), ...refs.slice(0, start), refs[start] as (typeof refs)[number]];
    const shown = turned.length > 12 ? [...turned.slice(0, 6), { ref: '…' }, ...turned.slice(-5)] : turned;
    reporter.report(
      ['tasks', refs[start]?.task.at ?? 0, 'needs'],
      `tasks need each other in a circle: ${shown.map(({ ref }) => ref).join(' → ')}`,
    );
  }
}

function taskAt(planned: readonly Planned[], index: number): Planned {
  let low = 0;
  let high = planned.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((planned[middle] as Planned).first <= index) low = middle;
    else high = middle - 1;
  }
  return planned[low] as Planned;
}

/** Definitions of the first `count` instances of a task, and how many bytes the first has. */
function buildTask(
  task: Planned,
  count: number,
  needs: readonly (readonly number[] | undefined)[],
  reporter: Reporter,
): { readonly definitions: TaskDefinition[]; readonly firstBytes: number } {
  const { constant, varying } = splitFields(task.fields);
  const problem = (below: readonly string[], message: string) => reporter.report(['tasks', task.at, ...below], message);
  const base = buildFields(constant, NO_VALUES, problem);
  const definitions: TaskDefinition[] = [];
  let sizeChecked = 0;
  let firstBytes = 0;
  for (let i = 0; i < count; i++) {
    const ref = `${task.ref}${task.instances.suffix(i)}`;
    if (ref.length > SPEC_LIMITS.instanceRefLengthMax)
      problem(
        ['matrix'],
        `${ref.slice(0, 60)}… has ${ref.length} characters; at most ${SPEC_LIMITS.instanceRefLengthMax} are possible`,
      );
    const own = varying === undefined ? undefined : buildFields(varying, task.instances.values(i), problem);
    const needed = needs[task.first + i];
    // Written out for the engine's sake: a hundred thousand of these share all but the ref.
    const definition = { ref, run: '', ...base, ...own, ...(needed === undefined ? undefined : { needs: needed }) };
    // What may vary from instance to instance is little; whoever is far from the limit is measured once.
    if (sizeChecked < SIZE_SAFE && needsBytes(needed) < SIZE_SAFE && i > 0 && own === undefined) {
      definitions.push(definition);
      continue;
    }
    const bytes = Buffer.byteLength(JSON.stringify(definition));
    sizeChecked = Math.max(sizeChecked, bytes);
    if (i === 0) firstBytes = bytes;
    if (bytes > SPEC_LIMITS.definitionBytesMax)
      problem([], `the definition of ${ref} has ${bytes} bytes; at most ${SPEC_LIMITS.definitionBytesMax} are kept`);
    definitions.push(definition);
  }
  return { definitions, firstBytes };
}

const NO_VALUES = {};
const SIZE_SAFE = SPEC_LIMITS.definitionBytesMax / 4;

/** At most eight characters for an index and its comma. */
function needsBytes(needs: readonly number[] | undefined): number {
  return 8 * (needs?.length ?? 0);
}

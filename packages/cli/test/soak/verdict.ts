/**
 * What must be true after a soak, of the specs as the cluster tells them and of the witness file as the tasks wrote it. Pure;
 * answers sentences about what is not. The file's order is the order of effects: appends of a line are atomic.
 */
import type { SpecView, TaskView } from '@boi/core';
import type { WitnessLine } from '../support/witness.ts';
import { KEY_LIMIT, type Planned } from './workload.ts';

export interface Dispatched {
  readonly planned: Planned;
  readonly id: string;
  readonly spec: SpecView;
  readonly tasks: readonly TaskView[];
}

export interface Verdict {
  readonly violations: readonly string[];
  /** Tasks by state. */
  readonly states: Readonly<Record<string, number>>;
  /** Complete effects of copies whose result was not the one that counts. */
  readonly superseded: number;
}

const FINAL_SPEC: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);
const FINAL_TASK: ReadonlySet<string> = new Set(['succeeded', 'failed', 'timed-out', 'cancelled', 'skipped', 'poison']);
const VIOLATIONS_MAX = 50;
/** Claims lost with their node, at which a task is given up: the daemons' default. */
const DELIVERIES_MAX = 3;

interface Placed extends WitnessLine {
  readonly at: number;
}

export function judge(dispatched: readonly Dispatched[], lines: readonly WitnessLine[]): Verdict {
  const violations: string[] = [];
  const states: Record<string, number> = {};
  let superseded = 0;
  const byTask = new Map<string, Placed[]>();
  for (const [at, line] of lines.entries()) {
    const of = byTask.get(line.task) ?? [];
    of.push({ ...line, at });
    byTask.set(line.task, of);
  }
  const known = new Set<string>();
  const keyed: (readonly [number, number])[] = [];
  for (const { planned, id, spec, tasks } of dispatched) {
    const wrong = (text: string) => violations.push(`${planned.kind} ${id}: ${text}`);
    if (!FINAL_SPEC.has(spec.state)) wrong(`is ${spec.state}`);
    if (tasks.length !== planned.tasks) wrong(`has ${tasks.length} tasks of ${planned.tasks}`);
    const { succeeded, failed, cancelled, skipped, running, waiting } = { running: 0, waiting: 0, ...spec.counts };
    if (succeeded + failed + cancelled + skipped !== planned.tasks || running + waiting !== 0)
      wrong(`its counts do not add up to ${planned.tasks}: ${JSON.stringify(spec.counts)}`);
    for (const task of tasks) {
      known.add(task.id);
      states[task.state] = (states[task.state] ?? 0) + 1;
      const own = byTask.get(task.id) ?? [];
      for (const text of taskFaults(planned, task, own)) wrong(`${task.ref}: ${text}`);
      if (task.state === 'succeeded') {
        superseded += own.filter(({ word, fence }) => word === 'end' && fence !== task.fence).length;
        if (planned.kind === 'locked') keyed.push(span(own, String(task.fence)));
      }
    }
    for (const text of orderFaults(planned, tasks, byTask)) wrong(text);
  }
  for (const task of byTask.keys()) if (!known.has(task)) violations.push(`${task} ran and belongs to no spec`);
  const together = mostAtOnce(keyed);
  if (together > KEY_LIMIT) violations.push(`${together} tasks with a key of ${KEY_LIMIT} ran at once`);
  return { violations: violations.slice(0, VIOLATIONS_MAX), states, superseded };
}

function* taskFaults({ kind }: Planned, task: TaskView, own: readonly Placed[]): Generator<string> {
  if (!FINAL_TASK.has(task.state)) yield `is ${task.state}`;
  const of = (word: string) => own.filter((line) => line.word === word && line.fence === task.fence);
  if (task.state === 'succeeded') {
    const began = of('begin');
    const ended = of('end');
    if (began.length !== 1 || ended.length !== 1)
      yield `succeeded under fence ${task.fence} with ${began.length} begins and ${ended.length} ends`;
    if (ended[0] !== undefined && ended[0].attempt !== task.attempt)
      yield `succeeded in attempt ${task.attempt}; its effect was made in attempt ${ended[0].attempt}`;
    if (kind === 'failing' && task.ref.startsWith('bad')) yield 'succeeded, though it exits 3';
  }
  if (task.state === 'failed') {
    if (kind !== 'failing') yield `failed: ${task.reason ?? ''} ${task.message ?? ''}`;
    else if (of('failed').length !== 1) yield `failed under fence ${task.fence} with ${of('failed').length} effects`;
  }
  if (task.state === 'poison' && (task.deliveries ?? 0) < DELIVERIES_MAX)
    yield `is poison after ${task.deliveries ?? 0} deliveries`;
  if (task.state === 'skipped' && own.length > 0) yield `skipped, and ran`;
  for (const word of ['begin', 'end', 'failed']) {
    const fences = own.filter((line) => line.word === word).map(({ fence }) => fence);
    if (new Set(fences).size !== fences.length) yield `one claim wrote \`${word}\` twice`;
  }
  if (kind !== 'exclusive') return;
  // Every line of a copy stands before the first one of the next.
  const seen: string[] = [];
  for (const { fence } of own) {
    if (seen.at(-1) === fence) continue;
    if (seen.includes(fence)) {
      yield `exclusive, and two copies ran at once: fences ${seen.join(', ')}, then ${fence} again`;
      return;
    }
    seen.push(fence);
  }
}

/** No copy of a task begins before what it needs has ended in the copies that count. */
function* orderFaults(
  { spec }: Planned,
  tasks: readonly TaskView[],
  byTask: ReadonlyMap<string, readonly Placed[]>,
): Generator<string> {
  const instances = (ref: string) => tasks.filter((task) => task.ref === ref || task.ref.startsWith(`${ref}[`));
  for (const { ref, needs = [] } of spec.tasks) {
    for (const task of instances(ref)) {
      const [first] = byTask.get(task.id) ?? [];
      if (first === undefined) continue;
      for (const needed of needs.flatMap(instances)) {
        if (needed.state !== 'succeeded') continue;
        const end = (byTask.get(needed.id) ?? []).find(({ word, fence }) => word === 'end' && fence === needed.fence);
        if (end !== undefined && end.at > first.at) yield `${task.ref} began before ${needed.ref} had ended`;
      }
    }
  }
}

function span(own: readonly Placed[], fence: string): readonly [number, number] {
  const at = (word: string) => own.find((line) => line.word === word && line.fence === fence)?.at ?? 0;
  return [at('begin'), at('end')];
}

function mostAtOnce(spans: readonly (readonly [number, number])[]): number {
  const changes = spans.flatMap(([from, to]) => [
    [from, 1],
    [to, -1],
  ]) as [number, number][];
  let now = 0;
  let most = 0;
  for (const [, by] of changes.sort((a, b) => a[0] - b[0])) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

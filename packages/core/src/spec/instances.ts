/**
 * The instances of one task of the file: one, `count` of them, or one for each combination of its matrix. Knows their
 * refs, values and places in the spec; makes nothing per instance until asked.
 */
import { SPEC_LIMITS } from './limits.ts';
import type { Hint } from './suggest.ts';
import type { InstanceValues } from './template.ts';

type Combination = Readonly<Record<string, string>>;

/** `matrix` after the schema check: axes with their values, and two lists. */
export interface MatrixFile {
  readonly include?: readonly (Combination | undefined)[];
  readonly exclude?: readonly (Combination | undefined)[];
  readonly [axis: string]: readonly unknown[] | undefined;
}

export type Problem = (path: readonly (string | number)[], message: string) => void;

export interface Instances {
  readonly size: number;
  readonly axes: readonly string[];
  /** Of instance `i` from 0. */
  values(i: number): InstanceValues;
  /** What follows the ref: ``, `[3]`, `[cc=gcc,os=linux]`. */
  suffix(i: number): string;
  /** The instances (from 0) that `[selector]` means; tells `problem` if there are none. */
  select(selector: string, problem: (message: string) => void): readonly number[];
}

export function singleInstance(): Instances {
  return {
    size: 1,
    axes: [],
    values: () => NO_VALUES,
    suffix: () => '',
    select: (_, problem) => {
      problem('has neither matrix nor count, so it has no instances to choose from');
      return [];
    },
  };
}

export function countInstances(count: number): Instances {
  return {
    size: count,
    axes: [],
    values: (i) => ({ index: i + 1 }),
    suffix: (i) => `[${i + 1}]`,
    select: (selector, problem) => {
      const index = /^[1-9]\d{0,7}$/.test(selector) ? Number(selector) : 0;
      if (index >= 1 && index <= count) return [index - 1];
      problem(`has instances 1 to ${count}, not ${JSON.stringify(selector)}`);
      return [];
    },
  };
}

/** Undefined if the matrix is wrong, which `problem` was told (paths below the matrix). */
export function matrixInstances(
  matrix: MatrixFile,
  sizeMax: number,
  hint: Hint,
  problem: Problem,
): Instances | undefined {
  const { include = [], exclude = [], ...rest } = matrix;
  let axes = Object.keys(rest);
  if (axes.length === 0) axes = Object.keys(include[0] ?? {});
  if (axes.length === 0) return fail(problem, [], 'must have at least one axis with values');
  if (axes.length > SPEC_LIMITS.matrixAxesMax)
    return fail(problem, [], `must have at most ${SPEC_LIMITS.matrixAxesMax} axes`);
  let ok = true;
  const wrong: Problem = (path, message) => {
    ok = false;
    problem(path, message);
  };
  for (const axis of Object.keys(rest)) distinct(axis, (rest[axis] ?? []) as readonly string[], wrong);
  include.forEach((entry, i) => {
    if (entry !== undefined) sameAxes(axes, entry, true, ['include', i], hint, wrong);
  });
  exclude.forEach((entry, i) => {
    if (entry !== undefined) sameAxes(axes, entry, false, ['exclude', i], hint, wrong);
  });
  const product = Object.values(rest).reduce((size, values) => size * (values?.length ?? 0), 1);
  if (product * exclude.length > SPEC_LIMITS.excludeWorkMax)
    wrong(['exclude'], 'has too many entries for so many combinations; list the wanted ones under include');
  if (product > sizeMax) wrong([], `has ${product} combinations; a spec may have ${sizeMax} tasks`);
  if (!ok) return undefined;
  return fromCombinations(axes, combine(axes, rest, include, exclude, wrong), hint, wrong);
}

function fromCombinations(
  axes: readonly string[],
  list: readonly InstanceValues[],
  hint: Hint,
  problem: Problem,
): Instances | undefined {
  if (list.length === 0) return undefined;
  const suffix = (i: number) => `[${axes.map((axis) => `${axis}=${list[i]?.axes?.get(axis)}`).join(',')}]`;
  const seen = new Set<string>();
  for (let i = 0; i < list.length; i++) {
    if (seen.has(suffix(i))) return fail(problem, [], `gives ${suffix(i)} twice`);
    seen.add(suffix(i));
  }
  return {
    size: list.length,
    axes,
    values: (i) => list[i] ?? NO_VALUES,
    suffix,
    select: selector(axes, list, hint),
  };
}

/** Answers `axis=value,…` from an index by value: a selector that differs for each of 100,000 instances must stay cheap. */
function selector(axes: readonly string[], list: readonly InstanceValues[], hint: Hint): Instances['select'] {
  let index: Map<string, number[]> | undefined;
  return (text, problem) => {
    index ??= indexByValue(list);
    const wanted: [string, string][] = [];
    for (const term of text.split(',')) {
      const [axis = '', ...value] = term.split('=');
      if (value.length === 0 || !axes.includes(axis.trim())) {
        problem(`has the axes ${axes.join(', ')}: write [${axes[0]}=value], not [${text}]${hint(axis, axes)}`);
        return [];
      }
      wanted.push([axis.trim(), value.join('=').trim()]);
    }
    const lists = wanted.map(([axis, value]) => index?.get(`${axis}=${value}`) ?? []);
    const least = lists.reduce((a, b) => (b.length < a.length ? b : a));
    const found = least.filter((i) => wanted.every(([axis, value]) => list[i]?.axes?.get(axis) === value));
    if (found.length === 0) problem(`has no instance [${text}]`);
    return found;
  };
}

function indexByValue(list: readonly InstanceValues[]): Map<string, number[]> {
  const index = new Map<string, number[]>();
  list.forEach(({ axes }, i) => {
    for (const [axis, value] of axes ?? []) {
      const key = `${axis}=${value}`;
      const known = index.get(key);
      if (known === undefined) index.set(key, [i]);
      else known.push(i);
    }
  });
  return index;
}

function combine(
  axes: readonly string[],
  lists: Readonly<Record<string, readonly unknown[] | undefined>>,
  include: readonly (Combination | undefined)[],
  exclude: readonly (Combination | undefined)[],
  problem: Problem,
): InstanceValues[] {
  let product: ReadonlyMap<string, string>[] = Object.keys(lists).length === 0 ? [] : [new Map()];
  for (const [axis, values = []] of Object.entries(lists))
    product = product.flatMap((map) => values.map((value) => new Map([...map, [axis, String(value)]])));
  const used = exclude.map(() => false);
  const kept = product.filter((map) => {
    let keep = true;
    exclude.forEach((entry, i) => {
      if (entry === undefined || !Object.entries(entry).every(([axis, value]) => map.get(axis) === value)) return;
      used[i] = true;
      keep = false;
    });
    return keep;
  });
  used.forEach((was, i) => {
    if (!was && exclude[i] !== undefined) problem(['exclude', i], 'matches no combination');
  });
  for (const entry of include)
    if (entry !== undefined) kept.push(new Map(axes.map((axis) => [axis, entry[axis] ?? ''])));
  if (kept.length === 0 && product.length > 0) problem([], 'excludes every combination');
  return kept.map((map) => ({ axes: map }));
}

function distinct(axis: string, values: readonly unknown[], problem: Problem): void {
  const seen = new Set<unknown>();
  values.forEach((value, i) => {
    if (value !== undefined && seen.has(value)) problem([axis, i], `${JSON.stringify(value)} is given twice`);
    seen.add(value);
  });
}

function sameAxes(
  axes: readonly string[],
  entry: Combination,
  all: boolean,
  path: readonly (string | number)[],
  hint: Hint,
  problem: Problem,
): void {
  for (const axis of Object.keys(entry))
    if (!axes.includes(axis)) problem([...path, axis], `there is no axis "${axis}"${hint(axis, axes)}`);
  if (!all) return;
  for (const axis of axes) if (entry[axis] === undefined) problem(path, `must give a value for the axis "${axis}"`);
}

function fail(problem: Problem, path: readonly (string | number)[], message: string): undefined {
  problem(path, message);
  return undefined;
}

const NO_VALUES: InstanceValues = {};

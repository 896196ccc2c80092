/** From `requires` as it is written to the conditions a node is matched against. */
import type { Requirement } from '../definition.ts';
import { type InstanceValues, render, type Text } from './template.ts';

/** One capability's condition after the schema check. */
export type Condition =
  | Text
  | {
      readonly in?: readonly Text[];
      readonly exists?: boolean;
      readonly '='?: Text;
      readonly '>='?: Text;
      readonly '<='?: Text;
    };

export interface ReadRequirements {
  readonly requirements: readonly Requirement[];
  readonly problems: readonly { readonly key: string; readonly message: string }[];
}

/** Reads all conditions for one instance. In order of their keys in the file; several operators on a key all hold. */
export function readRequirements(
  conditions: Readonly<Record<string, Condition>>,
  values: InstanceValues,
): ReadRequirements {
  const requirements: Requirement[] = [];
  const problems: { key: string; message: string }[] = [];
  const bound = (key: string, op: '>=' | '<=', text: string) => {
    const value = parseQuantity(text);
    if (value === undefined)
      problems.push({ key, message: `"${op}" compares numbers, such as 4, 2.5 or 8GiB, not ${JSON.stringify(text)}` });
    else requirements.push({ key, op, value });
  };
  for (const [key, condition] of Object.entries(conditions)) {
    if (typeof condition === 'string' || 'parts' in condition) {
      const text = render(condition, values).trim();
      const operator = /^([<>]=?|==?|!=?)\s*(.*)$/s.exec(text);
      if (operator === null) requirements.push({ key, op: 'eq', value: text });
      else if (operator[1] === '>=' || operator[1] === '<=') bound(key, operator[1], operator[2] as string);
      else
        problems.push({
          key,
          message: `"${operator[1]}" is not a comparison; use >= or <=, or {"=": …} for a text that begins so`,
        });
      continue;
    }
    if (condition['='] !== undefined) requirements.push({ key, op: 'eq', value: render(condition['='], values) });
    if (condition.in !== undefined)
      requirements.push({ key, op: 'in', values: condition.in.map((value) => render(value, values)) });
    if (condition.exists !== undefined) requirements.push({ key, op: 'exists', value: condition.exists });
    if (condition['>='] !== undefined) bound(key, '>=', render(condition['>='], values));
    if (condition['<='] !== undefined) bound(key, '<=', render(condition['<='], values));
  }
  return { requirements, problems };
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/** `4`, `2.5`, `8GiB` as a number; undefined if it is none. */
export function parseQuantity(text: string): number | undefined {
  const match = /^\s*(-?\d{1,15}(?:\.\d{1,9})?)\s*(KiB|MiB|GiB|TiB|)\s*$/.exec(text);
  return match === null ? undefined : Number(match[1]) * (UNITS[match[2] as string] as number);
}

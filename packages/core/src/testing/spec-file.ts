/** What the tests of spec files have in common. */
import type { TaskDefinition } from '../definition.ts';
import { type ParseSpecOptions, parseSpec, type SpecFormat } from '../spec/parse-spec.ts';

/** `$` and braces apart, so that what looks like a template string is none. */
export const x = (inner: string) => `\${{${inner}}}`;

/** The tasks of a spec that must be right. */
export function tasks(
  source: string,
  options: ParseSpecOptions = {},
  format: SpecFormat = 'yaml',
): readonly TaskDefinition[] {
  const result = parseSpec(source, format, options);
  if (!result.ok) throw new Error(result.issues.map((i) => `${i.line}:${i.column} ${i.path} ${i.message}`).join('\n'));
  return result.spec.tasks;
}

/** What is told of a spec that must be wrong: `line:column path message`. */
export function issues(source: string, options: ParseSpecOptions = {}, format: SpecFormat = 'yaml'): string[] {
  const result = parseSpec(source, format, options);
  if (result.ok) throw new Error('the spec was accepted');
  return result.issues.map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);
}

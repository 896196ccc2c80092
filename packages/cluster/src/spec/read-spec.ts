/** A dispatch request's file, validated and expanded: the one place where a spec enters the cluster from outside. */
import { BoiError, type DispatchBody, parseSpec, requireName, type SpecDefinition } from '@boi/core';

/** Validates a request body; throws `invalid-spec` with everything that is wrong, or the code of a bad name. */
export function readSpec(body: DispatchBody): { spec: SpecDefinition; digest: string; project?: string } {
  const parsed = parseSpec(body.source, body.format, body.set === undefined ? {} : { set: body.set });
  if (!parsed.ok) {
    const [first] = parsed.issues;
    const place = first?.line === undefined ? '' : `line ${first.line}: `;
    const more = parsed.issues.length > 1 ? ` (and ${parsed.issues.length - 1} more)` : '';
    throw new BoiError('invalid-spec', `${place}${first?.path ?? ''} ${first?.message ?? 'has errors'}${more}`.trim(), {
      issues: parsed.issues,
    });
  }
  if (parsed.spec.name !== undefined) requireName('spec', parsed.spec.name);
  return parsed;
}

/**
 * The pieces of the spec's schema that several fields share: texts, durations, commands, environments, conditions, axes.
 * Beyond JSON Schema: `x-kind` says how a value is read (`text`: a string, whole number or boolean that becomes a string;
 * `duration`: becomes milliseconds), `x-expected` words it for messages, `x-names` words the allowed keys of a map,
 * `x-template` marks strings in which expressions of an instance may stand.
 */
import { type TSchema, Type } from 'typebox';
import { DURATION_EXPECTED } from '../duration.ts';
import { SPEC_LIMITS as L } from './limits.ts';

export const closed = { additionalProperties: false };
export const template = { 'x-template': true };

export const text = (options: object = {}) =>
  Type.Unsafe<string>({
    anyOf: [{ type: 'string', ...options }, { type: 'number' }, { type: 'boolean' }],
    'x-kind': 'text',
    'x-expected': 'a string',
  });
export const duration = (description: string, maxMs: number, more: object = {}) =>
  Type.Unsafe<string | number>({
    anyOf: [{ type: 'string' }, { type: 'number', minimum: 0 }],
    description,
    'x-kind': 'duration',
    'x-expected': DURATION_EXPECTED,
    'x-max-ms': maxMs,
    ...more,
  });
export const either = (expected: string, alternatives: TSchema[], description: string, more: object = {}) =>
  Type.Unsafe<unknown>({ anyOf: alternatives, description, 'x-expected': expected, ...more });

export const REF_PATTERN = '^[A-Za-z0-9_][A-Za-z0-9_.-]*$';
export const WORD_PATTERN = '^[A-Za-z_][A-Za-z0-9_-]*$';
export const ENV_PATTERN = '^[A-Za-z_][A-Za-z0-9_]*$';
export const CAPABILITY_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_./-]*$';
/** In a reference, brackets, commas and equal signs have a meaning of their own. */
const MATRIX_VALUE_PATTERN = '^[^\\s\\[\\],=]+(?: +[^\\s\\[\\],=]+)*$';

export const Command = (description: string) =>
  either(
    'a string (for the shell) or a list of arguments',
    [
      Type.String({ minLength: 1, maxLength: L.commandLengthMax, ...template }),
      Type.Array(Type.String({ maxLength: L.commandLengthMax, ...template }), {
        minItems: 1,
        maxItems: L.argumentsMax,
      }),
    ],
    description,
  );

export const Env = (description: string, templates: boolean) =>
  Type.Record(Type.String(), text(templates ? template : {}), {
    description,
    maxProperties: L.envCountMax,
    propertyNames: { type: 'string', pattern: ENV_PATTERN, maxLength: L.envNameLengthMax },
    'x-expected': 'a map of names to strings',
    'x-names': 'letters, digits and _, not beginning with a digit',
  });

export const Operators = Type.Object(
  {
    in: Type.Optional(
      Type.Array(text({ maxLength: L.requirementLengthMax, ...template }), {
        minItems: 1,
        maxItems: L.requirementValuesMax,
        description: 'Any of these.',
      }),
    ),
    exists: Type.Optional(Type.Boolean({ description: 'Whether the node has it at all.' })),
    '=': Type.Optional(text({ maxLength: L.requirementLengthMax, ...template })),
    '>=': Type.Optional(text({ maxLength: L.requirementLengthMax, ...template })),
    '<=': Type.Optional(text({ maxLength: L.requirementLengthMax, ...template })),
  },
  { ...closed, minProperties: 1 },
);

export const Axis = Type.Array(text({ pattern: MATRIX_VALUE_PATTERN, maxLength: L.matrixValueLengthMax }), {
  minItems: 1,
  maxItems: L.matrixValuesMax,
  'x-expected': 'a list of values',
});
export const Combination = Type.Record(
  Type.String(),
  text({ pattern: MATRIX_VALUE_PATTERN, maxLength: L.matrixValueLengthMax }),
  {
    minProperties: 1,
    'x-expected': 'a map of axes to values',
  },
);

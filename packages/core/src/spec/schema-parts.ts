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
/** As a node's configuration names its plugins. */
const PLUGIN_PATTERN = '^[a-z][a-z0-9-]{0,63}$';
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

const PluginName = (description: string) =>
  Type.String({
    pattern: PLUGIN_PATTERN,
    description,
    'x-expected': 'a name of a-z, 0-9 and -, beginning with a letter',
  });

const PluginOptions = Type.Record(Type.String(), text({ maxLength: L.pluginTextLengthMax, ...template }), {
  description: 'Settings in the plugin’s own terms.',
  maxProperties: L.pluginOptionsMax,
  propertyNames: { type: 'string', pattern: WORD_PATTERN, maxLength: 64 },
  'x-expected': 'a map of names to values',
  'x-names': 'letters, digits, _ and -, beginning with a letter or _',
});

/** A pool plugin by name, or with settings. */
export const Pool = either(
  'the name of a plugin or a map of plugin, options',
  [
    PluginName('Name of the plugin.'),
    Type.Object(
      {
        plugin: Type.Optional(
          PluginName(
            'Name of the plugin; only nodes that have it run the task. Left out: any node with a pool plugin.',
          ),
        ),
        options: Type.Optional(PluginOptions),
      },
      closed,
    ),
  ],
  'The pool plugin that runs it, by name or as a map; only nodes that have it do. Left out: a node with a pool plugin runs it by that, any other by itself.',
);

/** The directory that a workspace plugin makes. */
export const Workspace = Type.Object(
  {
    source: Type.String({
      minLength: 1,
      maxLength: L.workspaceSourceLengthMax,
      ...template,
      description:
        'Where its content comes from, in the plugin’s own terms: for workspace-git the address of a repository.',
    }),
    ref: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: L.pluginTextLengthMax,
        ...template,
        description: 'Which version of it: a branch, tag or commit. Left out: the source’s default.',
      }),
    ),
    plugin: Type.Optional(
      PluginName(
        'Name of the plugin; only nodes that have it run the task. Left out: any node with a workspace plugin.',
      ),
    ),
    push: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: L.pluginTextLengthMax,
        ...template,
        description:
          'Branch to push what the task committed to, after verification and before the result counts; if that fails, so does the task. `{ref}`, `{spec}`, `{task}`, `{attempt}` and `{fence}` are filled in.',
      }),
    ),
    keep: Type.Optional(
      Type.Unsafe<'never' | 'on-failure' | 'always'>({
        type: 'string',
        enum: ['never', 'on-failure', 'always'],
        default: 'never',
        description: 'Whether the directory stays on its node after the task.',
      }),
    ),
    options: Type.Optional(PluginOptions),
  },
  closed,
);

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

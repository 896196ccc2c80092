/**
 * The schema of a spec file: one description of every field, from which come the checks (`check.ts`), the JSON Schema
 * that editors use and the reference (`reference.ts`). Keys are lowercase with hyphens.
 *
 * `x-shared` marks a map in whose strings no expression of an instance may stand, since no instance owns it; the other
 * words beyond JSON Schema are told in `schema-parts.ts`.
 */
import { Type } from 'typebox';
import { SPEC_LIMITS as L } from './limits.ts';
import {
  Axis,
  CAPABILITY_PATTERN,
  Combination,
  Command,
  closed,
  duration,
  ENV_PATTERN,
  Env,
  either,
  Operators,
  Pool,
  REF_PATTERN,
  template,
  text,
  WORD_PATTERN,
  Workspace,
} from './schema-parts.ts';
import { expression } from './template.ts';

/** What may stand in a task and in `defaults`. */
const shared = {
  requires: Type.Optional(
    Type.Record(
      Type.String(),
      either(
        'a value, a comparison such as ">=4", or a map of in, exists, =, >=, <=',
        [text({ maxLength: L.requirementLengthMax, ...template }), Operators],
        'A condition on one capability.',
      ),
      {
        description:
          'What the node must have, by capability: `os: linux` (exactly), `cpus: ">=4"` or `cpus: {">=": 4}`, `zone: {in: [a, b]}`, `gpu: {exists: true}`. Numbers may carry KiB, MiB, GiB or TiB. Merged with the defaults by key.',
        maxProperties: L.requirementsMax,
        propertyNames: { type: 'string', pattern: CAPABILITY_PATTERN, maxLength: 128 },
        'x-expected': 'a map of capabilities to conditions',
        'x-names': 'letters, digits, ., _, / and -',
      },
    ),
  ),
  target: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: L.targetLengthMax,
      ...template,
      description:
        'Only this node, or only the nodes of this group: an id or a name. Looked up when the task is placed and again when it is claimed; a name that several have is nobody’s.',
    }),
  ),
  slots: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: L.slotsMax,
      default: 1,
      description: 'Slots of its node it takes while it runs. 0: none.',
    }),
  ),
  env: Type.Optional(
    Env(
      'Environment variables; names beginning with `BOI_` are the system’s. Merged by name: spec, then defaults, then task.',
      true,
    ),
  ),
  secrets: Type.Optional(
    Type.Array(Type.String({ pattern: ENV_PATTERN, maxLength: L.envNameLengthMax }), {
      maxItems: L.secretsMax,
      uniqueItems: true,
      description:
        'Names whose values the executing node takes from its secrets file or environment; masked in every output.',
    }),
  ),
  workdir: Type.Optional(
    Type.String({
      maxLength: L.workdirLengthMax,
      ...template,
      description: 'Absolute directory on the node. Left out: a fresh directory per attempt, removed afterwards.',
    }),
  ),
  workspace: Type.Optional(
    either(
      'a source or a map of source, ref, plugin, push, keep, options',
      [Type.String({ minLength: 1, maxLength: L.workspaceSourceLengthMax, ...template }), Workspace],
      'A directory that a workspace plugin of the node makes for the task, such as a checkout of a repository: its source, or a map. Only nodes with such a plugin run the task. Not together with `workdir`.',
    ),
  ),
  pool: Type.Optional(Pool),
  timeout: Type.Optional(
    duration('Ends an attempt that runs longer. Left out: no limit.', L.timeoutMsMax, { 'x-min-ms': 1 }),
  ),
  grace: Type.Optional(duration('Between TERM and KILL when a task is stopped.', L.graceMsMax, { default: '10s' })),
  retries: Type.Optional(
    either(
      'a whole number or a map of max, backoff, max-backoff, on-exit-codes',
      [
        Type.Integer({ minimum: 0, maximum: L.retriesMax }),
        Type.Object(
          {
            max: Type.Integer({ minimum: 0, maximum: L.retriesMax, description: 'Further attempts after the first.' }),
            backoff: Type.Optional(
              duration('Delay before the second attempt; doubles with each.', L.backoffMsMax, { default: '1s' }),
            ),
            'max-backoff': Type.Optional(duration('Longest delay.', L.backoffMsMax, { default: '5m' })),
            'on-exit-codes': Type.Optional(
              Type.Array(Type.Integer({ minimum: 1, maximum: 255 }), {
                minItems: 1,
                maxItems: L.exitCodesMax,
                uniqueItems: true,
                description: 'Retry only after these exit codes. Left out: after every failure but a cancel.',
              }),
            ),
          },
          closed,
        ),
      ],
      'Further attempts after a failure: a number, or a map.',
      { default: 0 },
    ),
  ),
  verify: Type.Optional(
    either(
      'a command or a list of commands',
      [
        Type.String({ minLength: 1, maxLength: L.commandLengthMax, ...template }),
        Type.Array(Command('A command.'), { maxItems: L.verifyMax }),
      ],
      'Commands run in order after `run` succeeded, in the same directory and environment; each must exit 0. In a list, a string is a shell command and a list an argument vector.',
    ),
  ),
  priority: Type.Optional(
    Type.Integer({
      minimum: -L.priorityMax,
      maximum: L.priorityMax,
      default: 0,
      description: 'Higher first within the project.',
    }),
  ),
  when: Type.Optional(
    Type.Unsafe<'success' | 'failure' | 'always'>({
      type: 'string',
      enum: ['success', 'failure', 'always'],
      default: 'success',
      description:
        'success: all needs succeeded. failure: all ended and at least one failed, timed out, was poison, or was skipped because of a failure. always: all ended. Otherwise the task is skipped.',
    }),
  ),
  exclusive: Type.Optional(
    Type.Boolean({
      default: false,
      description:
        'Never two copies at once, not even during a partition: a copy is stopped before its node can be taken for dead.',
    }),
  ),
  outputs: Type.Optional(
    Type.Array(Type.String({ pattern: ENV_PATTERN, maxLength: L.envNameLengthMax }), {
      maxItems: L.outputsMax,
      uniqueItems: true,
      description:
        'Names the task promises to write to the file `BOI_OUTPUT` as `name=value`; a missing one fails it. Dependents see them as environment.',
    }),
  ),
  key: Type.Optional(
    either(
      'a string or a map of name and limit',
      [
        Type.String({ minLength: 1, maxLength: L.keyNameLengthMax, ...template }),
        Type.Object(
          {
            name: Type.String({
              minLength: 1,
              maxLength: L.keyNameLengthMax,
              ...template,
              description: 'The key, of the project.',
            }),
            limit: Type.Optional(
              Type.Integer({
                minimum: 1,
                maximum: L.keyLimitMax,
                default: 1,
                description: 'How many may run at once.',
              }),
            ),
          },
          closed,
        ),
      ],
      'Concurrency key: at most `limit` tasks with this key run at once in the project, whichever specs they belong to.',
    ),
  ),
};

export const TaskFile = Type.Object(
  {
    ref: Type.String({
      pattern: REF_PATTERN,
      maxLength: L.refLengthMax,
      description: 'Name of the task, unique in the spec.',
      'x-expected': 'letters, digits, _, . and -, beginning with a letter, digit or _',
    }),
    run: Command('What to run: a string is given to `/bin/sh -c`, a list is run as it is.'),
    needs: Type.Optional(
      either(
        'a ref or a list of refs',
        [
          Type.String({ minLength: 1, ...template }),
          Type.Array(Type.String({ minLength: 1, ...template }), { 'x-places': true }),
        ],
        'Tasks that must have ended before, by ref. The ref of a task with `matrix` or `count` means all of its instances; `build[cc=gcc]` those with that value, `shard[3]` the third.',
      ),
    ),
    matrix: Type.Optional(
      Type.Object(
        {
          include: Type.Optional(
            Type.Array(Combination, {
              'x-places': true,
              description: 'Further combinations, each with a value for every axis.',
            }),
          ),
          exclude: Type.Optional(
            Type.Array(Combination, {
              'x-places': true,
              description: 'Drops the combinations that have all of these values.',
            }),
          ),
        },
        {
          additionalProperties: Axis,
          description: `One instance for each combination of the axes’ values; \`${expression('matrix.axis')}\` stands for the value.`,
          'x-expected': 'a map of axes to lists of values',
          'x-names': 'letters, digits, _ and -, beginning with a letter or _',
          propertyNames: { type: 'string', pattern: WORD_PATTERN, maxLength: 64 },
        },
      ),
    ),
    count: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_048_575,
        description: `So many instances, \`ref[1]\` and on; \`${expression('index')}\` stands for the number. Not together with \`matrix\`.`,
      }),
    ),
    ...shared,
  },
  closed,
);

export const SpecFile = Type.Object(
  {
    name: Type.Optional(Type.String({ description: 'Name of the spec, for people.' })),
    description: Type.Optional(Type.String({ maxLength: L.descriptionLengthMax, description: 'What it is for.' })),
    project: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'Project, by name or id. Left out: the one the command chooses.',
      }),
    ),
    vars: Type.Optional(
      Type.Record(Type.String(), text({ maxLength: L.varLengthMax }), {
        description: `Variables with their defaults, used as \`${expression('vars.name')}\` and set by \`--set name=value\`.`,
        maxProperties: L.varsMax,
        propertyNames: { type: 'string', pattern: WORD_PATTERN, maxLength: 64 },
        'x-expected': 'a map of names to values',
        'x-names': 'letters, digits, _ and -, beginning with a letter or _',
      }),
    ),
    env: Type.Optional(Env('Environment of all tasks.', false)),
    defaults: Type.Optional(
      Type.Object(shared, {
        ...closed,
        'x-shared': true,
        description:
          'Fields of all tasks that do not set them. `env` and `requires` are merged by key, all others replaced.',
      }),
    ),
    'failure-policy': Type.Optional(
      Type.Unsafe<'fail-fast' | 'continue'>({
        type: 'string',
        enum: ['fail-fast', 'continue'],
        default: 'fail-fast',
        description: 'fail-fast: the first failure stops all tasks with `when: success`. continue: the others go on.',
      }),
    ),
    concurrency: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: L.concurrencyMax,
        description: 'At most this many tasks of the spec queued or running at once. Left out: no limit.',
      }),
    ),
    tasks: Type.Array(TaskFile, {
      minItems: 1,
      maxItems: L.taskEntriesMax,
      'x-places': true,
      description: 'The tasks.',
    }),
  },
  closed,
);

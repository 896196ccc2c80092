import fc from 'fast-check';
import { Check } from 'typebox/value';
import { describe, expect, it, vi } from 'vitest';
import { check, type Schema } from './check.ts';
import { parseJson } from './parse-json.ts';
import { parseSpec, type SpecFormat } from './parse-spec.ts';
import { specJsonSchema, specReference } from './reference.ts';
import { SpecFile } from './schema.ts';
import { Findings } from './source-tree.ts';
import { limitedHint } from './suggest.ts';

// Seconds of work at most, on a machine that many share.
vi.setConfig({ testTimeout: 60_000 });

describe('whatever the file holds', () => {
  const pieces = fc.constantFrom(
    'tasks',
    ':',
    ' ',
    '\n',
    '  - ',
    'ref',
    'run',
    'a',
    'needs',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    ',',
    '=',
    '&x ',
    '*x',
    '!t',
    '#',
    '|',
    '>',
    '\t',
    '0',
    '-',
    'count',
    'matrix',
    '$'.concat('{{'),
    '}}',
    '\u0000',
    '😀',
    '\\',
  );
  const shaped = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(''));

  it.each<SpecFormat>(['yaml', 'json', 'toml'])('%s is read or refused with places, never thrown', (format) => {
    fc.assert(
      fc.property(fc.oneof(shaped, fc.string({ unit: 'binary' })), (source) => {
        const result = parseSpec(source, format);
        if (result.ok) return;
        expect(result.issues.length).toBeGreaterThan(0);
        for (const issue of result.issues) {
          expect(issue.message).not.toBe('');
          expect(issue.line).toBeGreaterThanOrEqual(1);
          expect(issue.column).toBeGreaterThanOrEqual(1);
        }
      }),
      { numRuns: 500 },
    );
  });

  const leaf = fc.oneof(
    fc.string({ maxLength: 4 }),
    fc.integer({ min: -3, max: 3 }),
    fc.boolean(),
    fc.constant(null),
    fc.constant('5s'),
    fc.constant('>=4'),
  );
  const value = fc.oneof(
    leaf,
    fc.array(leaf, { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('max', 'name', 'limit', 'in', 'exists', 'source', 'push', 'A', 'a'), leaf, {
      maxKeys: 3,
    }),
  );
  const names = [
    'ref',
    'run',
    'needs',
    'matrix',
    'count',
    'requires',
    'slots',
    'env',
    'secrets',
    'workdir',
    'workspace',
    'pool',
    'timeout',
    'grace',
    'retries',
    'verify',
    'priority',
    'when',
    'exclusive',
    'outputs',
    'key',
    'xx',
  ];
  const field = fc.constantFrom(...names);

  it('finds a fault wherever the schema, taken as JSON Schema, has one', () => {
    const file = fc.record({
      tasks: fc.array(fc.dictionary(field, value, { maxKeys: 5 }), { maxLength: 2 }),
      env: fc.option(value, { nil: undefined }),
    });
    fc.assert(
      fc.property(file, (candidate) => {
        const source = JSON.stringify(candidate);
        const { root } = parseJson(source);
        if (root === undefined) throw new Error('not JSON');
        const findings = new Findings(source, 1000);
        check(SpecFile as object as Schema, root, [], { findings, hint: limitedHint(), templates: true });
        // What JSON Schema refuses is refused here; the reverse does not hold, durations being strings there.
        if (!Check(SpecFile, JSON.parse(source))) expect(findings.any).toBe(true);
        else for (const issue of findings.list()) expect(issue.message).toMatch(/duration|must be from|NUL/);
      }),
      { numRuns: 1000 },
    );
  });

  it('is expanded without a throw if it passes the schema', () => {
    const file = fc.record({
      tasks: fc.array(fc.dictionary(field, value, { maxKeys: 6 }), { minLength: 1, maxLength: 4 }),
      defaults: fc.dictionary(field, value, { maxKeys: 4 }),
    });
    fc.assert(
      fc.property(file, (candidate) => {
        const result = parseSpec(JSON.stringify(candidate), 'json');
        if (!result.ok) expect(result.issues.length).toBeGreaterThan(0);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('what is derived from the schema', () => {
  it('describes every field', () => {
    const text = specReference();
    for (const name of [
      'failure-policy',
      'on-exit-codes',
      'max-backoff',
      ...Object.keys(SpecFile.properties),
      'needs',
      'requires',
      'limit',
      'include',
    ])
      expect(text).toContain(`| \`${name}\` |`);
    expect(text).not.toMatch(/undefined|\[object/);
    for (const line of text.split('\n').filter((l) => l.startsWith('| `') && !/^\| `\w+` \| \d+ \|$/.test(l)))
      expect(line).toMatch(/ [^|]{4,} \|$/);
  });

  it('is a JSON Schema that takes a spec, also with variables in place of numbers', () => {
    const variable = '$'.concat('{{ vars.n }}');
    const good = {
      name: 'x',
      vars: { n: 3 },
      tasks: [{ ref: 'a', run: 'x', count: variable, retries: { max: variable } }],
    };
    expect(Check(specJsonSchema(), good)).toBe(true);
    expect(Check(specJsonSchema(), { ...good, extra: 1 })).toBe(false);
    expect(Check(specJsonSchema(), { tasks: [{ ref: 'a', run: 'x', slots: 'two' }] })).toBe(false);
    expect(JSON.stringify(specJsonSchema())).not.toContain('"x-');
  });
});

import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { parseJson } from './parse-json.ts';
import { parseToml } from './parse-toml.ts';
import { parseYaml } from './parse-yaml.ts';
import { type ParsedSource, toPlain } from './source-tree.ts';

// Seconds of work at most, on a machine that many share.
vi.setConfig({ testTimeout: 60_000 });

const messages = (parsed: ParsedSource) => parsed.faults.map(({ start, message }) => `${start} ${message}`);
const plain = (parsed: ParsedSource) => (parsed.root === undefined ? undefined : toPlain(parsed.root));

describe('JSON', () => {
  it('reads what JSON.parse reads, and nothing else', () => {
    const anything = fc.oneof(
      fc.json(),
      fc.string(),
      fc.json().chain((json) => fc.nat(json.length).map((at) => json.slice(0, at) + json.slice(at + 1))),
    );
    fc.assert(
      fc.property(anything, (source) => {
        let want: unknown;
        let valid = true;
        try {
          want = JSON.parse(source);
        } catch {
          valid = false;
        }
        const parsed = parseJson(source);
        // Where two keys are equal JSON.parse keeps the last, and it takes 1e999 for infinity; here both are faults.
        if (parsed.faults.some(({ message }) => /given twice|too large/.test(message))) return;
        expect(parsed.faults.length === 0).toBe(valid);
        if (valid) expect(plain(parsed)).toEqual(want);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['{"a": 1,}', '8 expected a key in double quotes'],
    ['[1 2]', '3 expected , or ] after an item'],
    ['{"a" 1}', '5 expected : after a key'],
    ['"abc', '0 this string is not closed'],
    ['"a\tb"', '2 control characters must be escaped in a string'],
    ['"\\x41"', '1 this is not an escape of JSON'],
    ["{'a': 1}", '1 expected a key in double quotes'],
    ['{"a": nul}', '6 expected a JSON value, found "n"'],
    ['[1', '2 expected , or ] after an item'],
    ['', '0 the file ends too early'],
    ['1 2', '2 nothing may follow the document'],
    ['1e999', '0 1e999 is too large a number'],
    ['{"a": 1, "a": 2, "b": {"c": 1, "c": 1}}', '9 "a" is given twice; keep one', '31 "c" is given twice; keep one'],
  ])('tells what is wrong with %j and where', (source, ...want) => {
    expect(messages(parseJson(source))).toEqual(want);
  });

  it('does not nest without bound', () => {
    expect(messages(parseJson('['.repeat(100_000)))).toEqual(['51 nested deeper than 50 levels']);
  });
});

describe('YAML', () => {
  it('reads what JSON says', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const source = JSON.stringify(value);
        fc.pre(!/"__proto__"|-0[,\]}]|^-0$/.test(source));
        const parsed = parseYaml(source);
        expect(messages(parsed)).toEqual([]);
        expect(plain(parsed)).toEqual(JSON.parse(source));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a: 1\nb: 2\na: 3\n', ['10 "a" is given twice; keep one']],
    ['a: !!binary aGk=\n', ['12 tags (`!!…`) are not used in a spec']],
    ['a: !mine x\n', ['3 tags (`!…`) are not used in a spec']],
    [
      'a: .inf\nb: .nan\n',
      ['3 must be a string, a number, true or false', '11 must be a string, a number, true or false'],
    ],
    ['1: x\n', ['0 a key must be a plain string; put it in quotes']],
    ['? [a]\n: x\n', ['2 a key must be a plain string; put it in quotes']],
    ['a: *b\n', ['3 there is no &b above']],
    ['a: &a [*a]\n', ['7 *a stands within &a itself']],
    ['a: 1\n---\nb: 2\n', ['5 a file holds one spec; nothing may follow `---`']],
  ])('refuses %j', (source, want) => {
    expect(messages(parseYaml(source))).toEqual(want);
  });

  it('keeps the strings that older YAML took for something else', () => {
    expect(plain(parseYaml('[yes, no, on, off, 1:30, 2020-01-01, ~, null, true, 0o17, "<<"]'))).toEqual([
      'yes',
      'no',
      'on',
      'off',
      '1:30',
      '2020-01-01',
      null,
      null,
      true,
      15,
      '<<',
    ]);
  });

  it('lets aliases repeat what an anchor holds', () => {
    expect(plain(parseYaml('a: &e {X: 1}\nb: *e\nc: [*e, *e]\n'))).toEqual({
      a: { X: 1 },
      b: { X: 1 },
      c: [{ X: 1 }, { X: 1 }],
    });
  });

  it('defuses a billion laughs', () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) =>
        `l${i}: &l${i} [${Array(10)
          .fill(i === 0 ? 'lol' : `*l${i - 1}`)
          .join(', ')}]`,
    );
    const before = performance.now();
    expect(messages(parseYaml(levels.join('\n')))[0]).toMatch(/aliases stand for more than 100000 values/);
    expect(performance.now() - before).toBeLessThan(1_000);
  });

  it.each(['- ', '[', '{a: ', '? ', '- - ', '[[', '{[', '- ? '])(
    'survives %j a hundred thousand times over',
    (piece) => {
      expect(messages(parseYaml(piece.repeat(100_000)))).toHaveLength(1);
    },
  );

  it('gives up on a million values rather than hold up the node', () => {
    expect(messages(parseYaml('- a\n'.repeat(250_000)))[0]).toMatch(/too many values for YAML/);
  });
});

describe('TOML', () => {
  it('builds tables, arrays of tables, dotted keys and inline tables', () => {
    const source = `a.b.c = 1
"x.y" = 'z'
[t]
u = [1, {v = true}]
[[l]]
n = 1
[l.m]
o = 2
[[l]]
n = 3
[[l.p]]
q = 4
[[l.p]]
q = 5
`;
    expect(plain(parseToml(source))).toEqual({
      a: { b: { c: 1 } },
      'x.y': 'z',
      t: { u: [1, { v: true }] },
      l: [
        { n: 1, m: { o: 2 } },
        { n: 3, p: [{ q: 4 }, { q: 5 }] },
      ],
    });
  });

  it.each(['a = 1\na = 2', '[a]\n[a]', 'a = 1\n[a.b]', 'a = [1,', 'a = ', '= 1', 'a = "\\q"'])(
    'refuses %j with a place',
    (source) => {
      const { faults, root } = parseToml(source);
      expect(root).toBeUndefined();
      expect(faults).toHaveLength(1);
      expect(faults[0]?.start).toBeGreaterThanOrEqual(0);
    },
  );

  it('gives up on half a million values rather than hold up the node', () => {
    expect(messages(parseToml(`a = [${'1,'.repeat(500_000)}]`))).toEqual([
      '0 too many values for TOML; generate JSON for a spec of this size',
    ]);
  });

  it('refuses dates, infinity and depth', () => {
    expect(messages(parseToml('a = 2020-01-01\nb = inf'))).toHaveLength(2);
    expect(messages(parseToml(`a = ${'['.repeat(200)}${']'.repeat(200)}`))).toEqual([
      '54 nested deeper than 50 levels',
    ]);
    expect(messages(parseToml(`[${'a.'.repeat(99)}a]\nb = 1`))[0]).toMatch(/nested deeper/);
    expect(messages(parseToml(`a = ${'{a='.repeat(20_000)}1${'}'.repeat(20_000)}`))[0]).toMatch(/nested deeper/);
    expect(messages(parseToml(`a = ${'1'.repeat(1_000_000)}`))[0]).toMatch(/thousands of digits/);
  });
});

it.each(['%a b\n', '}\n'])('YAML of nothing but the fault %j is given up early', (line) => {
  expect(messages(parseYaml(line.repeat(250_000))).at(-1)).toMatch(/too many faults of syntax/);
});

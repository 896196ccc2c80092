import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { compareNamed, displayName, escapeName, nameProblem, requireName, validateName } from './names.ts';

// Seconds of work at most, on a machine that many share.
vi.setConfig({ testTimeout: 60_000 });

describe('names that are accepted', () => {
  it.each([
    ['one letter', 'a'],
    ['spaces and brackets within', 'Eric (laptop)'],
    ['128 letters', 'x'.repeat(128)],
    ['128 emoji', '😀'.repeat(128)],
    ['a composed letter', '\u00E9'],
    ['a zero-width space within', 'a\u200Bb'],
    ['a reserved word in other case', 'Admin'],
  ])('%s', (_, name) => {
    expect(validateName(name)).toBeUndefined();
    for (const kind of ['node', 'user', 'group', 'pool']) expect(nameProblem(kind, name)).toBeUndefined();
  });
});

describe('names that are refused', () => {
  it.each([
    ['the empty one', ''],
    ['a blank', ' '],
    ['a leading space', ' a'],
    ['a trailing space', 'a '],
    ['a leading byte order mark', '\uFEFFa'],
    ['a trailing byte order mark', 'a\uFEFF'],
    ['a leading ideographic space', '\u3000a'],
    ['a trailing no-break space', 'a\u00A0'],
    ['a tab', 'a\tb'],
    ['a trailing newline', 'a\n'],
    ['U+007F', 'a\u007Fb'],
    ['U+0085', 'a\u0085b'],
    ['129 letters', 'x'.repeat(129)],
    ['129 emoji', '😀'.repeat(129)],
    ['a decomposed letter', 'e\u0301'],
    ['a private-use character', '\uE000'],
    ['an unassigned character', '\u0378'],
    ['a lone high surrogate', 'a\uD800'],
    ['a lone low surrogate', '\uDC00a'],
    ['the shape of an id', 'nod_01jd7z3k8mnpqrstvwxyz01234'],
  ])('%s', (_, name) => {
    const issue = validateName(name, '/metadata/name');
    expect(issue?.path).toBe('/metadata/name');
    expect(issue?.message).toMatch(/^must /);
    expect(nameProblem('node', name)?.code).toBe('invalid-name');
  });

  it.each([[null], [undefined], [7], [{}], [['a']]])('%j is not a string: a bad request', (value) => {
    expect(nameProblem('node', value)?.code).toBe('bad-request');
    expect(() => requireName('node', value)).toThrow(expect.objectContaining({ code: 'bad-request' }));
  });

  it('a huge string, without walking all of it', () => {
    expect(validateName('x'.repeat(5_000_000))?.message).toMatch(/at most 128/);
  });
});

describe('reserved names', () => {
  it.each([
    ['node', 'admin'],
    ['node', 'system'],
    ['user', 'internal'],
    ['group', 'admins'],
    ['group', 'operators'],
  ])('a %s cannot be called %s', (kind, name) => {
    expect(nameProblem(kind, name)?.code).toBe('reserved-identifier');
    expect(() => requireName(kind, name)).toThrow(expect.objectContaining({ code: 'reserved-identifier' }));
  });

  it.each([
    ['group', 'admin'],
    ['node', 'admins'],
    ['pool', 'system'],
    ['toString', 'admin'],
  ])('a %s may be called %s', (kind, name) => {
    expect(nameProblem(kind, name)).toBeUndefined();
    expect(requireName(kind, name)).toBe(name);
  });
});

describe('showing names', () => {
  const id = 'nod_01jd7z3k8mnpqrstvwxyz01234';

  it('shows name and id, or the id alone', () => {
    expect(displayName('Eric (laptop)', id)).toBe(`Eric (laptop) (${id})`);
    expect(displayName(undefined, id)).toBe(id);
    expect(displayName('', id)).toBe(id);
  });

  it('isolates right-to-left names, so that the id after them stays in its place', () => {
    expect(displayName('שרת', id)).toBe(`\u2068שרת\u2069 (${id})`);
    expect(displayName('خادم 1', id)).toBe(`\u2068خادم 1\u2069 (${id})`);
  });

  it('makes what is invisible visible', () => {
    expect(escapeName('a\u202Eb')).toBe('a\\u{202e}b');
    expect(escapeName('a\u2069b\u200Bc')).toBe('a\\u{2069}b\\u{200b}c');
    expect(escapeName('\u001B[31mred')).toBe('\\u{1b}[31mred');
    expect(escapeName('\uD800')).toBe('\\u{d800}');
  });

  it('leaves emoji sequences and joined scripts whole', () => {
    for (const name of ['👩‍🚀', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', 'café']) expect(escapeName(name)).toBe(name);
  });

  it('never lets a control, override or unpaired isolate through, whatever the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        const shown = escapeName(name);
        const inner = shown.startsWith('\u2068') ? shown.slice(1, -1) : shown;
        expect(inner).not.toMatch(/[\p{Cc}\u061C\u200B\u200E\u200F\u202A-\u202E\u2066-\u2069\u2028\u2029]/u);
      }),
    );
  });
});

describe('sorting', () => {
  it('puts named things first, case-folded, then by id', () => {
    const things = [
      { id: '2' },
      { id: '9', name: 'beta' },
      { id: '5', name: 'Alpha' },
      { id: '1' },
      { id: '4', name: 'alpha' },
    ];
    expect(things.toSorted(compareNamed).map((t) => t.id)).toEqual(['4', '5', '9', '1', '2']);
  });

  it('is a total order', () => {
    const thing = fc.record({
      id: fc.string({ maxLength: 2 }),
      name: fc.option(fc.string({ maxLength: 2 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(thing, thing, thing, (a, b, c) => {
        expect(Math.sign(compareNamed(a, b)) + Math.sign(compareNamed(b, a))).toBe(0);
        if (compareNamed(a, b) <= 0 && compareNamed(b, c) <= 0) expect(compareNamed(a, c)).toBeLessThanOrEqual(0);
      }),
    );
  });
});

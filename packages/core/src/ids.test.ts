import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ID_PATTERN,
  ID_PREFIXES,
  type IdKind,
  IdMinter,
  idKind,
  indexOf,
  isId,
  type MintedKind,
  mintedAt,
  parseId,
  requireId,
  type SpecId,
  specOf,
  TASK_INDEX_MAX,
  taskId,
} from './ids.ts';
import { SeededRandom, VirtualClock } from './testing/index.ts';

const minter = (clock = new VirtualClock(), seed = 1) => new IdMinter(clock, new SeededRandom(seed));
const MINTED = (Object.keys(ID_PREFIXES) as IdKind[]).filter((kind): kind is MintedKind => kind !== 'task');

describe('minting', () => {
  it('mints ids of the documented shape, one prefix for each kind', () => {
    const ids = minter();
    for (const kind of MINTED) {
      const id = ids.mint(kind);
      expect(id).toMatch(ID_PATTERN);
      expect(idKind(id)).toBe(kind);
      expect(id.startsWith(`${ID_PREFIXES[kind]}_`)).toBe(true);
    }
  });

  it.each(['node', 'spec', 'event'] as const)(
    'mints 10,000 unique and ordered %s ids within one millisecond',
    (kind) => {
      const ids = minter();
      const minted = Array.from({ length: 10_000 }, () => ids.mint(kind));
      expect(new Set(minted).size).toBe(10_000);
      expect([...minted].sort()).toEqual(minted);
    },
  );

  it('varies specs above the four characters of the index', () => {
    const ids = minter();
    const minted = Array.from({ length: 10_000 }, () => ids.mint('spec'));
    expect(minted.every((id) => id.endsWith('0000'))).toBe(true);
    expect(new Set(minted.map((id) => id.slice(0, 26))).size).toBe(10_000);
  });

  it('stays unique and ordered over all kinds while the wall clock runs, stands or steps back', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: -5000, max: 5000 }), fc.constantFrom(...MINTED)), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(steps, fc.integer(), (moves, seed) => {
        const clock = new VirtualClock();
        const ids = minter(clock, seed);
        const minted = moves.map(([stepMs, kind]) => {
          clock.wallOffsetMs += stepMs;
          return ids.mint(kind).slice(4, 26);
        });
        for (let i = 1; i < minted.length; i++) expect((minted[i] as string) > (minted[i - 1] as string)).toBe(true);
      }),
    );
  });

  it('borrows the next millisecond when the random part overflows', () => {
    const clock = new VirtualClock();
    const full = { next: () => 0, bytes: (length: number) => new Uint8Array(length).fill(0xff) };
    const ids = new IdMinter(clock, full);
    const first = ids.mint('spec');
    const second = ids.mint('spec');
    expect(first.endsWith('zzzzzzzzzzzz0000')).toBe(true);
    expect(mintedAt(second)).toBe(mintedAt(first) + 1);
    expect(second > first).toBe(true);
  });

  it('carries from the low half of the random part to the high one', () => {
    let call = 0;
    const random = {
      next: () => 0,
      bytes: (length: number) => new Uint8Array(length).fill(call++ % 2 === 0 ? 0 : 0xff),
    };
    const ids = new IdMinter(new VirtualClock(), random);
    expect(ids.mint('spec').slice(14)).toBe('000000zzzzzz0000');
    expect(ids.mint('spec').slice(14)).toBe('0000010000000000');
  });

  it('tells when it was minted', () => {
    const clock = new VirtualClock(1_763_717_400_123);
    expect(mintedAt(minter(clock).mint('node'))).toBe(1_763_717_400_123);
  });

  it('refuses a wall clock outside of what an id can hold', () => {
    expect(() => minter(new VirtualClock(2 ** 48)).mint('node')).toThrow(/wall clock/);
    expect(() => minter(new VirtualClock(-1)).mint('node')).toThrow(/wall clock/);
  });
});

describe('task ids', () => {
  it('lead from spec and index to the task and back', () => {
    const spec = minter().mint('spec');
    fc.assert(
      fc.property(fc.integer({ min: 1, max: TASK_INDEX_MAX }), (index) => {
        const task = taskId(spec, index);
        expect(isId(task, 'task')).toBe(true);
        expect(specOf(task)).toBe(spec);
        expect(indexOf(task)).toBe(index);
      }),
    );
  });

  it('sort by index and keep the 22 characters of their spec', () => {
    const spec = 'spc_01jd7z3k8mnpqrstvwxyz00000' as SpecId;
    expect(taskId(spec, 1)).toBe('tsk_01jd7z3k8mnpqrstvwxyz00001');
    expect(taskId(spec, 32)).toBe('tsk_01jd7z3k8mnpqrstvwxyz00010');
    expect(taskId(spec, TASK_INDEX_MAX)).toBe('tsk_01jd7z3k8mnpqrstvwxyz0zzzz');
    expect(taskId(spec, 31) < taskId(spec, 32)).toBe(true);
  });

  it.each([0, -1, 1.5, TASK_INDEX_MAX + 1, Number.NaN])('cannot have the index %s', (index) => {
    expect(() => taskId(minter().mint('spec'), index)).toThrow(/out of range/);
  });
});

describe('parsing', () => {
  const good = 'nod_01jd7z3k8mnpqrstvwxyz01234';

  it('takes an id as it is', () => {
    expect(parseId('node', good)).toBe(good);
    expect(requireId('node', good)).toBe(good);
  });

  it.each([
    ['uppercase', good.toUpperCase()],
    ['one uppercase letter', good.replace('j', 'J')],
    ['25 characters', good.slice(0, -1)],
    ['27 characters', `${good}0`],
    ['a trailing newline', `${good}\n`],
    ['a leading space', ` ${good}`],
    ['another kind', good.replace('nod', 'spc')],
    ['an unknown prefix', good.replace('nod', 'abc')],
    ['no prefix', good.slice(4)],
    ['a letter outside the alphabet (i)', good.replace('j', 'i')],
    ['a letter outside the alphabet (l)', good.replace('j', 'l')],
    ['a letter outside the alphabet (o)', good.replace('j', 'o')],
    ['a letter outside the alphabet (u)', good.replace('j', 'u')],
    ['a time that overflows', good.replace('_0', '_8')],
    ['nothing', ''],
    ['null', null],
    ['a number', 7],
    ['an array holding an id', [good]],
  ])('refuses %s', (_, value) => {
    expect(parseId('node', value)).toBeUndefined();
    expect(() => requireId('node', value, '/id')).toThrow(expect.objectContaining({ code: 'bad-request' }));
  });

  it('refuses any single changed character outside the alphabet', () => {
    const outside = fc.string({ minLength: 1, maxLength: 1 }).filter((c) => !/[0-9a-hjkmnp-tv-z]/.test(c));
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 29 }), outside, (at, c) => {
        expect(isId(good.slice(0, at) + c + good.slice(at + 1))).toBe(false);
      }),
    );
  });
});

import { describe, expect, it, vi } from 'vitest';
import { issues, tasks, x } from '../testing/spec-file.ts';
import { parseSpec } from './parse-spec.ts';

// Seconds of work at most, on a machine that many share.
vi.setConfig({ testTimeout: 60_000 });

describe('matrix, count and needs', () => {
  it('makes an instance for each combination, in order, less what is excluded, and what is included', () => {
    const source = `tasks:
  - ref: build
    run: [make, "CC=${x('matrix.cc')}"]
    env: {OS: "${x('matrix.os')}"}
    matrix:
      cc: [gcc, clang]
      os: [linux, darwin]
      exclude: [{cc: gcc, os: darwin}]
      include: [{cc: msvc, os: windows}]
`;
    expect(tasks(source)).toEqual([
      { ref: 'build[cc=gcc,os=linux]', run: ['make', 'CC=gcc'], env: { OS: 'linux' } },
      { ref: 'build[cc=clang,os=linux]', run: ['make', 'CC=clang'], env: { OS: 'linux' } },
      { ref: 'build[cc=clang,os=darwin]', run: ['make', 'CC=clang'], env: { OS: 'darwin' } },
      { ref: 'build[cc=msvc,os=windows]', run: ['make', 'CC=msvc'], env: { OS: 'windows' } },
    ]);
  });

  it('takes combinations alone', () => {
    expect(
      tasks('tasks: [{ref: a, run: x, matrix: {include: [{b: 1, c: 2}, {b: 2, c: 2}]}}]').map((t) => t.ref),
    ).toEqual(['a[b=1,c=2]', 'a[b=2,c=2]']);
  });

  const layers = (needs: string) =>
    tasks(`tasks:
  - {ref: build, run: x, matrix: {cc: [gcc, clang], os: [a, b]}}
  - {ref: shard, run: 'x ${x('index')}', count: 3}
  - {ref: test, run: x, matrix: {cc: [gcc, clang]}, needs: ${needs}}
`)
      .slice(7)
      .map((task) => task.needs);

  it.each([
    ['build', [1, 2, 3, 4], [1, 2, 3, 4]],
    ['[shard, build]', [1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7]],
    ['"build[cc=gcc,os=b]"', [2], [2]],
    ['"build[os=b, cc=gcc]"', [2], [2]],
    ['"build[os=a]"', [1, 3], [1, 3]],
    ['"shard[3]"', [7], [7]],
    ['["shard[3]", "shard[3]", "shard[1]"]', [5, 7], [5, 7]],
    [`"build[cc=${x('matrix.cc')}]"`, [1, 2], [3, 4]],
    ['[]', undefined, undefined],
  ])('needs: %s', (needs, first, second) => {
    expect(layers(needs)).toEqual([first, second]);
  });

  it.each([
    ['biuld', 'there is no task "biuld"; did you mean "build"?'],
    ['"build[cc=icc]"', '"build" has no instance [cc=icc]'],
    ['"build[gcc]"', '"build" has the axes cc, os: write [cc=value], not [gcc]; did you mean "cc"?'],
    ['"shard[4]"', '"shard" has instances 1 to 3, not "4"'],
    ['"shard[0]"', '"shard" has instances 1 to 3, not "0"'],
    ['"last[1]"', '"last" has neither matrix nor count, so it has no instances to choose from'],
    ['"build[cc=gcc"', 'there is no task "build[cc=gcc"; did you mean "build"?'],
  ])('refuses needs: %s', (needs, message) => {
    const source = `tasks:
  - {ref: build, run: x, matrix: {cc: [gcc, clang], os: [a, b]}}
  - {ref: shard, run: x, count: 3}
  - {ref: last, run: x}
  - {ref: test, run: x, needs: ${needs}}
`;
    const [found] = issues(source);
    expect(found).toMatch(/^5:\d+ \/tasks\/3\/needs /);
    if (!needs.includes('[cc=gcc"')) expect(found?.endsWith(message)).toBe(true);
  });

  it('names every cycle, once', () => {
    const source = `tasks:
  - {ref: a, run: x, needs: c}
  - {ref: b, run: x, needs: a}
  - {ref: c, run: x, needs: [b, d]}
  - {ref: d, run: x, count: 50, needs: e}
  - {ref: e, run: x, needs: d}
  - {ref: f, run: x, needs: f}
  - {ref: g, run: x, needs: [a, f]}
`;
    expect(issues(source)).toEqual([
      '2:29 /tasks/0/needs tasks need each other in a circle: a → c → b → a',
      '5:40 /tasks/3/needs tasks need each other in a circle: d[1] → e → d[1]',
      '7:29 /tasks/5/needs tasks need each other in a circle: f → f',
    ]);
  });

  it('finds a cycle along a chain of 12,000 without recursion', () => {
    const size = 12_000;
    const chain = Array.from({ length: size }, (_, i) => ({ ref: `t${i}`, run: 'x', needs: `t${(i + 1) % size}` }));
    const result = parseSpec(JSON.stringify({ tasks: chain }), 'json');
    if (result.ok) throw new Error('accepted');
    expect(result.issues.map((issue) => issue.message)).toEqual([
      'tasks need each other in a circle: t0 → t1 → t2 → t3 → t4 → t5 → … → t11996 → t11997 → t11998 → t11999 → t0',
    ]);
  });

  it('refuses two tasks of one ref, and a ref of the shape of an id', () => {
    expect(
      issues('tasks: [{ref: a, run: x}, {ref: a, run: y}, {ref: tsk_01jd7z3k8mnpqrstvwxyz00001, run: z}]'),
    ).toEqual([
      '1:33 /tasks/1/ref "a" is the ref of tasks/0 already; give each task its own',
      '1:51 /tasks/2/ref must not have the shape of an id',
    ]);
  });
});

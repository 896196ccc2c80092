import { describe, expect, it } from 'vitest';
import type { TaskDefinition } from '../definition.ts';
import { type ParseSpecOptions, parseSpec, type SpecFormat } from './parse-spec.ts';

/** `$` and braces apart, so that what looks like a template string is none. */
const x = (inner: string) => `\${{${inner}}}`;

function tasks(source: string, options: ParseSpecOptions = {}, format: SpecFormat = 'yaml'): readonly TaskDefinition[] {
  const result = parseSpec(source, format, options);
  if (!result.ok) throw new Error(result.issues.map((i) => `${i.line}:${i.column} ${i.path} ${i.message}`).join('\n'));
  return result.spec.tasks;
}

function issues(source: string, options: ParseSpecOptions = {}, format: SpecFormat = 'yaml'): string[] {
  const result = parseSpec(source, format, options);
  if (result.ok) throw new Error('the spec was accepted');
  return result.issues.map(({ line, column, path, message }) => `${line}:${column} ${path} ${message}`);
}

describe('the three formats', () => {
  const yaml = `name: release
description: builds and tests
project: web
failure-policy: continue
concurrency: 4
env: {CI: true}
tasks:
  - ref: build
    run: make
  - ref: test
    run: [make, test]
    needs: build
    retries: {max: 2, backoff: 5s, on-exit-codes: [75]}
`;
  const toml = `name = "release"
description = "builds and tests"
project = "web"
failure-policy = "continue"
concurrency = 4
env.CI = true
[[tasks]]
ref = "build"
run = "make"
[[tasks]]
ref = "test"
run = ["make", "test"]
needs = "build"
[tasks.retries]
max = 2
backoff = "5s"
on-exit-codes = [75]
`;
  const json = JSON.stringify({
    name: 'release',
    description: 'builds and tests',
    project: 'web',
    'failure-policy': 'continue',
    concurrency: 4,
    env: { CI: true },
    tasks: [
      { ref: 'build', run: 'make' },
      { ref: 'test', run: ['make', 'test'], needs: 'build', retries: { max: 2, backoff: '5s', 'on-exit-codes': [75] } },
    ],
  });
  const want = {
    name: 'release',
    description: 'builds and tests',
    failurePolicy: 'continue',
    concurrency: 4,
    tasks: [
      { ref: 'build', run: 'make', env: { CI: 'true' } },
      {
        ref: 'test',
        run: ['make', 'test'],
        env: { CI: 'true' },
        retries: { max: 2, backoffMs: 5000, backoffMaxMs: 300_000, onExitCodes: [75] },
        needs: [1],
      },
    ],
  };

  it.each([
    ['yaml', yaml],
    ['toml', toml],
    ['json', json],
  ] as const)('%s says the same', (format, source) => {
    expect(parseSpec(source, format)).toEqual({
      ok: true,
      spec: want,
      project: 'web',
      digest: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each([
    ['yaml', 'tasks:\n  - ref: a\n    run: x\n    neds: b\n', 4, 5],
    ['toml', '[[tasks]]\nref = "a"\nrun = "x"\n  neds = "b"\n', 4, 3],
    ['json', '{"tasks": [\n  {"ref": "a", "run": "x",\n   "neds": "b"}\n]}', 3, 4],
  ] as const)('%s points at line and column', (format, source, line, column) => {
    const result = parseSpec(source, format);
    expect(result).toEqual({
      ok: false,
      issues: [{ path: '/tasks/0/neds', line, column, message: 'unknown field "neds"; did you mean "needs"?' }],
    });
  });

  it('counts columns in characters, as editors do', () => {
    expect(issues('{"name": "😀😀", "nam": 1, "tasks": [{"ref": "a", "run": "x"}]}', {}, 'json')).toEqual([
      '1:16 /nam unknown field "nam"; did you mean "name"?',
    ]);
  });

  it('reads a file with a byte order mark and Windows line ends', () => {
    expect(tasks('\uFEFFtasks:\r\n  - ref: a\r\n    run: x\r\n')).toEqual([{ ref: 'a', run: 'x' }]);
  });
});

describe('fields', () => {
  const one = (fields: string) => tasks(`tasks:\n  - {ref: a, run: x, ${fields}}`)[0];

  it('leaves neutral values out', () => {
    expect(
      one('slots: 1, priority: 0, when: success, exclusive: false, grace: 10s, outputs: [], secrets: [], retries: 0'),
    ).toEqual({ ref: 'a', run: 'x' });
  });

  it('reads every field', () => {
    const fields = [
      'slots: 0, env: {A: b, N: 8080, T: true}, secrets: [TOKEN], workdir: /srv, timeout: 1h30m, grace: 2.5',
      'retries: 3, verify: [test -f out, [test, -d, dir]], priority: -5, when: always, exclusive: true',
      'outputs: [digest], key: {name: deploy, limit: 2}',
      'requires: {os: linux, cpus: ">=4", mem: {">=": 8GiB, "<=": 64GiB}, zone: {in: [a, b]}, gpu: {exists: false}, tag: {"=": ">=x"}}',
    ];
    expect(one(fields.join(', '))).toEqual({
      ref: 'a',
      run: 'x',
      slots: 0,
      env: { A: 'b', N: '8080', T: 'true' },
      secrets: ['TOKEN'],
      workdir: '/srv',
      timeoutMs: 5_400_000,
      graceMs: 2_500,
      retries: { max: 3, backoffMs: 1_000, backoffMaxMs: 300_000 },
      verify: ['test -f out', ['test', '-d', 'dir']],
      priority: -5,
      when: 'always',
      exclusive: true,
      outputs: ['digest'],
      key: { name: 'deploy', limit: 2 },
      requires: [
        { key: 'os', op: 'eq', value: 'linux' },
        { key: 'cpus', op: '>=', value: 4 },
        { key: 'mem', op: '>=', value: 8 * 2 ** 30 },
        { key: 'mem', op: '<=', value: 64 * 2 ** 30 },
        { key: 'zone', op: 'in', values: ['a', 'b'] },
        { key: 'gpu', op: 'exists', value: false },
        { key: 'tag', op: 'eq', value: '>=x' },
      ],
    });
  });

  it('merges env and requires by key and replaces all else', () => {
    const source = `env: {A: spec, B: spec, C: spec}
defaults: {env: {B: defaults, C: defaults}, requires: {os: linux, cpus: 1}, timeout: 1m, secrets: [X]}
tasks:
  - {ref: a, run: x, env: {C: task}, requires: {cpus: ">=2"}, secrets: [Y]}
  - {ref: b, run: x, timeout: 5}
`;
    const [a, b] = tasks(source);
    expect(a).toMatchObject({
      env: { A: 'spec', B: 'defaults', C: 'task' },
      timeoutMs: 60_000,
      secrets: ['Y'],
      requires: [
        { key: 'os', op: 'eq', value: 'linux' },
        { key: 'cpus', op: '>=', value: 2 },
      ],
    });
    expect(b).toMatchObject({ timeoutMs: 5_000, secrets: ['X'] });
  });

  it.each([
    [
      'timeout: 5 minutes',
      '/tasks/0/timeout must be a duration such as 250ms, 30s, 5m or 1h30m, or a number of seconds, not "5 minutes"',
    ],
    ['timeout: 0', '/tasks/0/timeout must be from 1ms to 30d, not 0'],
    ['timeout: 31d', '/tasks/0/timeout must be from 1ms to 30d, not "31d"'],
    ['grace: 2h', '/tasks/0/grace must be from 0s to 1h, not "2h"'],
    ['slots: 1.5', '/tasks/0/slots must be a whole number from 0 to 10000, not 1.5'],
    ['slots: "2"', '/tasks/0/slots must be a whole number from 0 to 10000, not "2"'],
    ['priority: 1001', '/tasks/0/priority must be a whole number from -1000 to 1000, not 1001'],
    ['when: sucess', '/tasks/0/when must be one of success, failure, always, not "sucess"; did you mean "success"?'],
    ['exclusive: yes', '/tasks/0/exclusive must be true or false, not "yes"'],
    ['env: {V: 1.10}', '/tasks/0/env/V put 1.10 in quotes: as a number it would become 1.1'],
    ['env: {V: 0x10}', '/tasks/0/env/V put 0x10 in quotes: as a number it would become 16'],
    ['env: {V: [1]}', '/tasks/0/env/V must be a string, not a list'],
    ['env: {V: }', '/tasks/0/env/V is empty: give a string, or leave the field out'],
    [
      'env: {1A: x}',
      '/tasks/0/env/1A "1A" is not a name that can be used here: letters, digits and _, not beginning with a digit',
    ],
    ['env: {BOI_FENCE: 1}', '/tasks/0/env/BOI_FENCE names beginning with BOI_ are set by the system'],
    ['env: {A: "a\\0b"}', '/tasks/0/env/A must not contain a NUL character'],
    ['workdir: build', '/tasks/0/workdir must be an absolute path, not "build"'],
    ['retries: {max: 101}', '/tasks/0/retries/max must be a whole number from 0 to 100, not 101'],
    ['retries: {backoff: 1s}', '/tasks/0/retries/max is missing: give a whole number from 0 to 100'],
    [
      'retries: {max: 1, backoff: 1m, max-backoff: 1s}',
      '/tasks/0/retries/max-backoff must not be shorter than backoff',
    ],
    [
      'retries: {max: 1, on-exit-codes: [0]}',
      '/tasks/0/retries/on-exit-codes/0 must be a whole number from 1 to 255, not 0',
    ],
    ['secrets: [A, A]', '/tasks/0/secrets/1 "A" is given twice'],
    ['outputs: [a b]', '/tasks/0/outputs/0 "a b" has characters that cannot be used here'],
    ['key: {limit: 1}', '/tasks/0/key/name is missing: give a string'],
    [
      'requires: {cpus: ">4"}',
      '/tasks/0/requires/cpus ">" is not a comparison; use >= or <=, or {"=": …} for a text that begins so',
    ],
    ['requires: {cpus: ">=four"}', '/tasks/0/requires/cpus ">=" compares numbers, such as 4, 2.5 or 8GiB, not "four"'],
    ['requires: {cpus: {gte: 4}}', '/tasks/0/requires/cpus/gte unknown field "gte"; known here: in, exists, =, >=, <='],
    ['requires: {cpus: {}}', '/tasks/0/requires/cpus must not be empty'],
    [
      'requires: {zone: [a, b]}',
      '/tasks/0/requires/zone must be a value, a comparison such as ">=4", or a map of in, exists, =, >=, <=, not a list',
    ],
    ['command: y', '/tasks/0/command unknown field "command"; did you mean "run"?'],
    ['dependsOn: y', '/tasks/0/dependsOn unknown field "dependsOn"; did you mean "needs"?'],
    [
      'on_exit_codes: y',
      '/tasks/0/on_exit_codes unknown field "on_exit_codes"; known here: ref, run, needs, matrix, count, requires, slots, env, secrets, workdir, timeout, grace, retries, verify, priority, when, exclusive, outputs, key',
    ],
    ['count: 0', '/tasks/0/count must be a whole number from 1 to 1048575, not 0'],
    ['count: 2, matrix: {a: [b]}', '/tasks/0/count cannot stand beside matrix: make it an axis'],
    ['matrix: {}', '/tasks/0/matrix must have at least one axis with values'],
    ['matrix: {a: b}', '/tasks/0/matrix/a must be a list of values, not "b"'],
    ['matrix: {a: [b, b]}', '/tasks/0/matrix/a/1 "b" is given twice'],
    ['matrix: {a: ["x=y"]}', '/tasks/0/matrix/a/0 "x=y" has characters that cannot be used here'],
    ['matrix: {a: [b], exclude: [{a: b}]}', '/tasks/0/matrix excludes every combination'],
    ['matrix: {a: [b], exclude: [{a: c}]}', '/tasks/0/matrix/exclude/0 matches no combination'],
    ['matrix: {a: [b], include: [{c: d}]}', '/tasks/0/matrix/include/0/c there is no axis "c"; did you mean "a"?'],
    ['matrix: {a: [b], include: [{a: b}]}', '/tasks/0/matrix gives [a=b] twice'],
  ])('refuses %s', (fields, message) => {
    const found = issues(`tasks:\n  - {ref: a, run: x, ${fields}}`).map((text) => text.replace(/^\d+:\d+ /, ''));
    expect(found).toContain(message);
  });

  it.each([
    ['name: " a"', '/name must not start or end with white space'],
    ['name: 7', '/name must be a string, not 7'],
    ['failure-policy: stop', '/failure-policy must be one of fail-fast, continue, not "stop"'],
    ['failure_policy: continue', '/failure_policy unknown field "failure_policy"; did you mean "failure-policy"?'],
    ['concurrency: 0', '/concurrency must be a whole number from 1 to 1048575, not 0'],
    [
      'defaults: {run: x}',
      '/defaults/run unknown field "run"; known here: requires, slots, env, secrets, workdir, timeout, grace, retries, verify, priority, when, exclusive, outputs, key',
    ],
    [
      `env: {A: "${x('index')}"}`,
      `/env/A only ${x('vars.…')} can be used here: there is no instance to take matrix or index from`,
    ],
    [
      `defaults: {env: {A: "${x('matrix.a')}"}}`,
      `/defaults/env/A only ${x('vars.…')} can be used here: there is no instance to take matrix or index from`,
    ],
    ['env: {BOI_X: 1}', '/env/BOI_X names beginning with BOI_ are set by the system'],
    [
      `name: "${x('index')}"`,
      `/name only ${x('vars.…')} can be used here: there is no instance to take matrix or index from`,
    ],
  ])('refuses %s in the spec', (field, message) => {
    const found = issues(`${field}\ntasks: [{ref: a, run: x}]`).map((text) => text.replace(/^\d+:\d+ /, ''));
    expect(found).toEqual([message]);
  });
});

describe('variables', () => {
  const source = `vars: {target: staging, n: 2, fast: true}
name: deploy to ${x('vars.target')}
tasks:
  - {ref: a, run: 'deploy ${x(' vars.target ')} $HOME \${HOME} $${x('vars.target')}', count: '${x('vars.n')}', exclusive: '${x('vars.fast')}'}
`;

  it('stand for their defaults, as numbers and booleans too; the shell keeps its own', () => {
    const result = parseSpec(source, 'yaml');
    expect(result.ok && result.spec.name).toBe('deploy to staging');
    expect(tasks(source)).toEqual(
      [1, 2].map((i) => ({
        ref: `a[${i}]`,
        run: `deploy staging $HOME \${HOME} ${x('vars.target')}`,
        exclusive: true,
      })),
    );
  });

  it('are replaced by --set', () => {
    expect(tasks(source, { set: { n: '3', target: 'prod', fast: 'false' } }).map((task) => task.ref)).toEqual([
      'a[1]',
      'a[2]',
      'a[3]',
    ]);
    expect(issues(source, { set: { n: 'many' } })).toEqual([
      '4:87 /tasks/0/count must be a whole number from 1 to 1048575, not "many"',
    ]);
  });

  it('must be declared', () => {
    expect(issues(source, { set: { traget: 'prod', n: '1' } })).toEqual([
      'undefined:undefined /vars/traget --set traget: there is no such variable; did you mean "target"? (declared: target, n, fast)',
    ]);
    expect(issues(`tasks: [{ref: a, run: "${x('vars.n')}"}]`)).toEqual(['1:23 /tasks/0/run there is no variable "n"']);
  });

  it('bring in text, never an expression', () => {
    const [task] = tasks(source, { set: { target: x('index'), n: '1' } });
    expect(task?.run).toBe(`deploy ${x('index')} $HOME \${HOME} ${x('vars.target')}`);
  });

  it('change the digest, as the source and the format do', () => {
    const digest = (text: string, options: ParseSpecOptions = {}) => {
      const result = parseSpec(text, 'yaml', options);
      return result.ok ? result.digest : '';
    };
    expect(digest(source)).toBe(digest(source));
    expect(digest(source, { set: { n: '3' } })).not.toBe(digest(source));
    expect(digest(`${source}\n`)).not.toBe(digest(source));
    expect(digest(source, { set: { n: '3', target: 'p' } })).toBe(digest(source, { set: { target: 'p', n: '3' } }));
  });

  it.each([
    [x('env.A'), '"env.A" is not an expression: use vars.NAME, matrix.AXIS or index'],
    [x('vars'), '"vars" is not an expression: use vars.NAME, matrix.AXIS or index'],
    [
      '$'.concat('{{index'),
      `\`${'$'.concat('{{')}\` is not closed by \`}}\`; write \`$${'$'.concat('{{')}\` for a literal one`,
    ],
    [x('index'), `${x('index')} is for tasks with count`],
    [x('matrix.cc'), `${x('matrix.cc')} is for tasks with a matrix`],
  ])('%s is refused', (text, message) => {
    expect(issues(JSON.stringify({ tasks: [{ ref: 'a', run: text }] }), {}, 'json')).toEqual([
      `1:28 /tasks/0/run ${message}`,
    ]);
  });
});

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

describe('all at once', () => {
  it('lists forty mistakes of forty', () => {
    const bad = Array.from({ length: 20 }, (_, i) => ({ ref: `t${i}`, rnu: 'x', slots: -1 }));
    const found = issues(JSON.stringify({ tasks: bad }, null, 1), {}, 'json');
    // Of each task: run missing, rnu unknown, slots out of range.
    expect(found).toHaveLength(60);
    expect(new Set(found).size).toBe(60);
    const lines = found.map((text) => Number(text.split(':')[0]));
    expect([...lines].sort((a, b) => a - b)).toEqual(lines);
  });

  it('finds mistakes of every kind in one go', () => {
    const source = `nmae: x
defaults: {timeout: soon}
tasks:
  - {ref: a, run: x, needs: [nobody, b]}
  - {ref: b, run: 7, needs: a}
  - {ref: a, run: y, slots: many}
`;
    expect(issues(source)).toEqual([
      '1:1 /nmae unknown field "nmae"; did you mean "name"?',
      '2:21 /defaults/timeout must be a duration such as 250ms, 30s, 5m or 1h30m, or a number of seconds, not "soon"',
      '4:29 /tasks/0/needs tasks need each other in a circle: a → b → a',
      '4:30 /tasks/0/needs/0 there is no task "nobody"',
      '5:19 /tasks/1/run must be a string (for the shell) or a list of arguments, not 7',
      '6:11 /tasks/2/ref "a" is the ref of tasks/0 already; give each task its own',
      '6:29 /tasks/2/slots must be a whole number from 0 to 10000, not "many"',
    ]);
  });

  it('says that a file of 2 MB is too large, and what else is wrong with it', () => {
    const source = `tasks:\n  - {ref: a, run: x, neds: b}\n#${' '.repeat(2_000_000)}\n`;
    expect(issues(source)).toEqual([
      `undefined:undefined  the file has ${Buffer.byteLength(source)} bytes; at most 1048576 are read`,
      '2:22 /tasks/0/neds unknown field "neds"; did you mean "needs"?',
    ]);
  });

  it('does not look into a file of 5 MB', () => {
    expect(issues('#'.repeat(5_000_000))).toEqual([
      'undefined:undefined  the file has 5000000 bytes; at most 1048576 are read',
    ]);
  });

  it.each(['', '# nothing\n', '7', '[]', 'tasks:', 'tasks: []', 'tasks: {}', 'tasks: [7, null]'])(
    'refuses %j with a place',
    (source) => {
      for (const text of issues(source)) expect(text).toMatch(/^\d+:\d+ /);
    },
  );
});

describe('sizes', () => {
  it('expands 100,000 tasks within a second, sharing what is equal', () => {
    const source = JSON.stringify({
      tasks: [{ ref: 'shard', run: ['work', 'hard'], env: { A: 'b' }, count: 100_000 }],
    });
    // Processor time, since the machine is shared.
    const before = process.cpuUsage();
    const all = tasks(source, {}, 'json');
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000);
    expect(all).toHaveLength(100_000);
    expect(all[99_999]).toEqual({ ref: 'shard[100000]', run: ['work', 'hard'], env: { A: 'b' } });
    expect(all[99_999]?.env).toBe(all[0]?.env);
    expect(all[99_999]?.run).toBe(all[0]?.run);
  });

  it('shares needs between instances', () => {
    const all = tasks('tasks: [{ref: a, run: x, count: 1000}, {ref: b, run: x, count: 1000, needs: a}]');
    expect(all[1999]?.needs).toHaveLength(1000);
    expect(all[1999]?.needs).toBe(all[1000]?.needs);
  });

  it.each([
    [{ tasks: [{ ref: 'a', run: 'x', count: 200_001 }] }, 'expands to 200001 tasks; a spec may have at most 200000'],
    [
      {
        tasks: [
          { ref: 'a', run: 'x', count: 3_000 },
          { ref: 'b', run: 'x', count: 3_000, needs: 'a' },
        ],
      },
      'the needs of all tasks together are more than 5000000; put tasks in between that gather them',
    ],
    [
      {
        tasks: [
          { ref: 'a', run: 'x', count: 10_001 },
          { ref: 'b', run: 'x', needs: 'a' },
        ],
      },
      'stands for more than 10000 tasks; put tasks in between that gather them',
    ],
    [{ tasks: [{ ref: 'a', run: 'x'.repeat(32_769) }] }, 'must have at most 32768 characters, not 32769'],
    [
      { tasks: [{ ref: 'a', run: '\u{10FFFF}'.repeat(16_384), verify: ['\u0001'.repeat(9_000)] }] },
      /^the definition of a has \d+ bytes; at most 65536 are kept$/,
    ],
    [
      { tasks: [{ ref: 'a', run: 'x', env: { A: 'x'.repeat(20_000), B: 'x'.repeat(20_000) } }] },
      'names and values together must have at most 32768 characters, not 40002',
    ],
    [{ tasks: [{ ref: 'x'.repeat(65), run: 'x' }] }, 'must have at most 64 characters, not 65'],
    [
      {
        tasks: [
          {
            ref: 'a',
            run: 'x',
            matrix: {
              a: Array.from({ length: 500 }, (_, i) => `${i}`),
              b: Array.from({ length: 500 }, (_, i) => `${i}`),
            },
          },
        ],
      },
      'has 250000 combinations; a spec may have 200000 tasks',
    ],
  ])('refuses what is too much: %#', (file, message) => {
    const result = parseSpec(JSON.stringify(file), 'json');
    if (result.ok) throw new Error('accepted');
    expect(result.issues.map((issue) => issue.message)).toEqual([
      typeof message === 'string' ? message : expect.stringMatching(message),
    ]);
  });

  it('measures an instance that its values make large', () => {
    const values = ['s', 'l'.repeat(64)];
    const file = { tasks: [{ ref: 'a', run: x('matrix.v').repeat(2_000), matrix: { v: values } }] };
    const result = parseSpec(JSON.stringify(file), 'json');
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.issues[0]?.message).toMatch(/^the definition of a\[v=l+\] has 128\d{3} bytes/);
  });

  it('looks for other mistakes in a spec of too many tasks', () => {
    expect(
      issues('tasks: [{ref: a, run: x, count: 1000000}, {ref: b, run: x, count: 9, needs: [a, c], workdir: d}]'),
    ).toEqual([
      '1:8 /tasks expands to 1000009 tasks; a spec may have at most 200000',
      '1:77 /tasks/1/needs stands for more than 10000 tasks; put tasks in between that gather them',
      '1:81 /tasks/1/needs/1 there is no task "c"; did you mean "a"?',
      '1:94 /tasks/1/workdir must be an absolute path, not "d"',
    ]);
  });

  it('refuses definitions that together would fill a node', () => {
    const source = JSON.stringify({ tasks: [{ ref: 'a', run: 'x'.repeat(30_000), count: 10_000 }] });
    expect(issues(source, {}, 'json')).toEqual([
      '1:10 /tasks the definitions of all tasks together have more than 134217728 bytes',
    ]);
  });

  it.each([
    ['unknown fields', () => `{"tasks": [{${Array.from({ length: 60_000 }, (_, i) => `"f${i}": 1`).join(',')}}]}`],
    [
      'unknown needs',
      () =>
        JSON.stringify({
          tasks: Array.from({ length: 15_000 }, (_, i) => ({ ref: `task-${i}`, run: 'x', needs: `tusk-${i}` })),
        }),
    ],
    [
      'unknown variables',
      () =>
        JSON.stringify({
          vars: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`variable${i}`, ''])),
          tasks: Array.from({ length: 10_000 }, (_, i) => x(`vars.veriable${i}`)),
        }),
    ],
    [
      'ways back along a chain',
      () =>
        JSON.stringify({
          tasks: Array.from({ length: 15_000 }, (_, i) => ({ ref: `t${i}`, run: 'x', needs: [`t${i + 1}`, 't0'] })),
        }),
    ],
    [
      'tasks with large shared environments',
      () =>
        JSON.stringify({
          env: Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`NAME${i}`, 'x'.repeat(50)])),
          tasks: Array.from({ length: 20_000 }, (_, i) => ({ ref: `t${i}`, run: 'x' })),
        }),
    ],
    ['openings of expressions', () => JSON.stringify({ name: '$'.concat('{{').repeat(300_000) })],
    [
      'needs that differ from instance to instance',
      () => {
        const needs = Array.from({ length: 20_000 }, (_, i) => `a[${i + 1}]${x('index')}`);
        return JSON.stringify({
          tasks: [
            { ref: 'a', run: 'x' },
            { ref: 'b', run: 'x', count: 4_000, needs },
          ],
        });
      },
    ],
    [
      'excluded combinations',
      () => {
        const values = Array.from({ length: 400 }, (_, i) => `${i}`);
        const exclude = Array.from({ length: 20_000 }, (_, i) => ({ a: `${i % 400}`, b: `${i % 397}` }));
        return JSON.stringify({ tasks: [{ ref: 'a', run: 'x', matrix: { a: values, b: values, exclude } }] });
      },
    ],
    ['empty tasks', () => `{"tasks": [${'{},'.repeat(300_000)}{}]}`],
  ])('refuses a megabyte of %s without holding up the node', (_, source) => {
    const text = source();
    expect(text.length).toBeLessThan(1_048_576);
    const before = process.cpuUsage();
    expect(parseSpec(text, 'json').ok).toBe(false);
    expect(process.cpuUsage(before).user).toBeLessThan(3_000_000);
  });

  it('obeys a smaller limit of the caller', () => {
    expect(issues('tasks: [{ref: a, run: x, count: 11}]', { tasksMax: 10 })).toEqual([
      '1:8 /tasks expands to 11 tasks; a spec may have at most 10',
    ]);
  });
});

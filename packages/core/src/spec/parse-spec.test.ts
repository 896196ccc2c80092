import { describe, expect, it } from 'vitest';
import { issues, tasks } from '../testing/spec-file.ts';
import { parseSpec } from './parse-spec.ts';

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

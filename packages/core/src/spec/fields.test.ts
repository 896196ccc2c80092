import { describe, expect, it } from 'vitest';
import { issues, tasks, x } from '../testing/spec-file.ts';

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
      '/tasks/0/on_exit_codes unknown field "on_exit_codes"; known here: ref, run, needs, matrix, count, requires, target, slots, env, secrets, workdir, workspace, pool, timeout, grace, retries, verify, priority, when, exclusive, outputs, key',
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
      '/defaults/run unknown field "run"; known here: requires, target, slots, env, secrets, workdir, workspace, pool, timeout, grace, retries, verify, priority, when, exclusive, outputs, key',
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

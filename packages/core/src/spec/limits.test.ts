import { describe, expect, it, vi } from 'vitest';
import { issues, tasks, x } from '../testing/spec-file.ts';
import { parseSpec } from './parse-spec.ts';

// Seconds of work at most, on a machine that many share.
vi.setConfig({ testTimeout: 60_000 });

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

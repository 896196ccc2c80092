import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { issues, tasks, x } from '../testing/spec-file.ts';
import { BRANCH_PATTERN, fillBranch } from './workspace.ts';

const one = (fields: string) => tasks(`tasks:\n  - {ref: a, run: x, ${fields}}`)[0];
const requires = (key: string) => ({ key, op: 'exists', value: true });

describe('workspace and pool', () => {
  it('ask for a node that has the plugin', () => {
    expect(one('workspace: /srv/app.git')).toEqual({
      ref: 'a',
      run: 'x',
      workspace: { source: '/srv/app.git' },
      requires: [requires('workspace')],
    });
    expect(one('pool: docker, requires: {os: linux}')).toMatchObject({
      pool: { plugin: 'docker' },
      requires: [{ key: 'os', op: 'eq', value: 'linux' }, requires('pool/docker')],
    });
  });

  it('takes settings for a pool plugin of any name', () => {
    const matrix = `matrix: {v: ["20", "22"]}, pool: {options: {image: "node:${x('matrix.v')}"}}`;
    expect(tasks(`tasks:\n  - {ref: a, run: x, ${matrix}}`)[1]).toMatchObject({
      pool: { options: { image: 'node:22' } },
      requires: [requires('pool')],
    });
  });

  it('takes every field, and leaves neutral ones out', () => {
    const fields = 'source: s, ref: main, plugin: git, push: "agents/{ref}", keep: on-failure, options: {depth: 1}';
    expect(one(`workspace: {${fields}}`)).toMatchObject({
      workspace: {
        source: 's',
        ref: 'main',
        plugin: 'git',
        push: 'agents/{ref}',
        keep: 'on-failure',
        options: { depth: '1' },
      },
      requires: [requires('workspace/git')],
    });
    expect(one('workspace: {source: s, keep: never}')?.workspace).toEqual({ source: 's' });
  });

  it('takes the values of an instance, and the defaults of the spec', () => {
    const push = `agents/${x('matrix.n')}`;
    const source = `defaults: {workspace: s, requires: {os: linux}}
tasks:
  - {ref: a, run: x}
  - {ref: b, run: x, matrix: {n: [one, two]}, workspace: {source: s, push: "${push}"}}
  - {ref: c, run: x, workdir: /srv}
`;
    const [a, b1, b2, c] = tasks(source);
    expect(a?.workspace).toEqual({ source: 's' });
    expect([b1?.workspace?.push, b2?.workspace?.push]).toEqual(['agents/one', 'agents/two']);
    expect(b2?.requires).toEqual([{ key: 'os', op: 'eq', value: 'linux' }, requires('workspace')]);
    expect(c).toMatchObject({ workdir: '/srv', requires: [{ key: 'os', op: 'eq', value: 'linux' }] });
    expect(c).not.toHaveProperty('workspace');
  });

  it.each([
    ['workspace: {ref: main}', '/tasks/0/workspace/source is missing: give a string'],
    [
      'workspace: [a]',
      '/tasks/0/workspace must be a source or a map of source, ref, plugin, push, keep, options, not a list',
    ],
    [
      'workspace: {source: s, keep: yes}',
      '/tasks/0/workspace/keep must be one of never, on-failure, always, not "yes"',
    ],
    [
      'workspace: {source: s, branch: b}',
      '/tasks/0/workspace/branch unknown field "branch"; known here: source, ref, plugin, push, keep, options',
    ],
    [
      'workspace: {source: s, plugin: Git}',
      '/tasks/0/workspace/plugin must be a name of a-z, 0-9 and -, beginning with a letter, not "Git"',
    ],
    [
      'workspace: {source: s, push: "{name}"}',
      '/tasks/0/workspace/push {name} is not known; use {ref}, {spec}, {task}, {attempt}, {fence}',
    ],
    [
      'workspace: {source: s, push: "a..b"}',
      '/tasks/0/workspace/push must be the name of a branch, of letters, digits, ., _, / and -, not "a..b"',
    ],
    ['workspace: s, workdir: /srv', '/tasks/0/workspace cannot stand beside workdir: a task runs in one of them'],
    ['pool: "a b"', '/tasks/0/pool must be a name of a-z, 0-9 and -, beginning with a letter, not "a b"'],
  ])('refuses %s', (fields, message) => {
    const found = issues(`tasks:\n  - {ref: a, run: x, ${fields}}`).map((text) => text.replace(/^\d+:\d+ /, ''));
    expect(found).toContain(message);
  });

  it('fills in a branch that git takes, whatever the ref is', () => {
    const values = { spec: 'spc_1', task: 'tsk_1', attempt: '2', fence: '77' };
    expect(fillBranch('a/{ref}/{attempt}.{fence}', { ...values, ref: 'build[cc=gcc,o=1]' })).toBe(
      'a/build-cc-gcc-o-1/2.77',
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}(\[[a-z]=[^\s\],=[]{1,8}\])?$/), (ref) => {
        const branch = fillBranch('a/x{ref}', { ...values, ref });
        expect(branch.includes('..') || /\.lock$/.test(branch) || BRANCH_PATTERN.test(branch)).toBe(true);
      }),
    );
  });
});

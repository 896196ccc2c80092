import { describe, expect, it } from 'vitest';
import { describeRequirement, explain, mismatch, type NodeCapabilities } from './capabilities.ts';
import type { Requirement } from './definition.ts';

const node: NodeCapabilities = { os: 'linux', cpus: 8, memory: 16 * 2 ** 30, ssd: true, disk: '200GiB', zone: 'eu-1' };

describe('matching', () => {
  it.each<[Requirement, boolean]>([
    [{ key: 'os', op: 'eq', value: 'linux' }, true],
    [{ key: 'os', op: 'eq', value: 'Linux' }, false],
    [{ key: 'cpus', op: 'eq', value: '8' }, true],
    [{ key: 'ssd', op: 'eq', value: 'true' }, true],
    [{ key: 'gpu', op: 'eq', value: 'undefined' }, false],
    [{ key: 'zone', op: 'in', values: ['us-1', 'eu-1'] }, true],
    [{ key: 'zone', op: 'in', values: ['us-1'] }, false],
    [{ key: 'gpu', op: 'in', values: ['undefined'] }, false],
    [{ key: 'ssd', op: 'exists', value: true }, true],
    [{ key: 'gpu', op: 'exists', value: true }, false],
    [{ key: 'gpu', op: 'exists', value: false }, true],
    [{ key: 'cpus', op: '>=', value: 8 }, true],
    [{ key: 'cpus', op: '>=', value: 9 }, false],
    [{ key: 'cpus', op: '<=', value: 8 }, true],
    [{ key: 'memory', op: '>=', value: 2 ** 34 }, true],
    [{ key: 'disk', op: '>=', value: 100 * 2 ** 30 }, true],
    [{ key: 'disk', op: '>=', value: 300 * 2 ** 30 }, false],
    [{ key: 'os', op: '>=', value: 1 }, false],
    [{ key: 'ssd', op: '<=', value: 1 }, false],
    [{ key: 'gpu', op: '<=', value: 1 }, false],
    [{ key: 'toString', op: 'exists', value: true }, false],
  ])('%j: %s', (requirement, want) => {
    expect(mismatch([requirement], node)).toBe(want ? undefined : requirement);
  });

  it('asks nothing where nothing is required', () => {
    expect(mismatch(undefined, {})).toBeUndefined();
    expect(mismatch([], {})).toBeUndefined();
  });

  it('answers the first thing that is missing', () => {
    const gpu: Requirement = { key: 'gpu', op: 'exists', value: true };
    const big: Requirement = { key: 'cpus', op: '>=', value: 64 };
    expect(mismatch([{ key: 'os', op: 'eq', value: 'linux' }, gpu, big], node)).toBe(gpu);
  });
});

describe('explaining', () => {
  const gpu: Requirement = { key: 'gpu', op: 'exists', value: true };
  const withGpu = { ...node, gpu: 'a100' };

  it('counts what rules out how many nodes', () => {
    const nodes = [
      { capabilities: node },
      { capabilities: node },
      { capabilities: withGpu, excluded: 'cordoned' as const },
    ];
    expect(explain([gpu], nodes)).toEqual({
      nodes: 3,
      eligible: 0,
      constraints: [
        { constraint: 'gpu exists', nodes: 2 },
        { constraint: 'cordoned', nodes: 1 },
      ],
      summary: '3 nodes: 2 lack gpu, 1 cordoned',
    });
  });

  it('counts each node once, what it lacks before the state it is in, the target before both', () => {
    const nodes = [
      { capabilities: node, excluded: 'draining' as const },
      { capabilities: node, excluded: 'not in target' as const },
      { capabilities: withGpu },
    ];
    expect(explain([gpu], nodes).summary).toBe('3 nodes: 1 lacks gpu, 1 not in target, 1 could take it');
  });

  it('words every kind of requirement', () => {
    const requirements: Requirement[] = [
      { key: 'cpus', op: '>=', value: 64 },
      { key: 'zone', op: 'in', values: ['a', 'b'] },
      { key: 'ssd', op: 'exists', value: false },
      { key: 'os', op: 'eq', value: 'darwin' },
    ];
    expect(requirements.map(describeRequirement)).toEqual(['cpus >= 64', 'zone in a, b', 'ssd absent', 'os = darwin']);
    const summary = (requirement: Requirement) => explain([requirement], [{ capabilities: node }]).summary;
    expect(requirements.map(summary)).toEqual([
      '1 node: 1 lacks cpus >= 64',
      '1 node: 1 lacks zone in a, b',
      '1 node: 1 has ssd',
      '1 node: 1 lacks os = darwin',
    ]);
  });

  it('says so when there are no nodes', () => {
    expect(explain([gpu], []).summary).toBe('no nodes');
  });

  it('does not change what it reads', () => {
    const frozen = Object.freeze([Object.freeze({ capabilities: Object.freeze({ ...node }) })]);
    expect(() => explain(Object.freeze([Object.freeze(gpu)]), frozen)).not.toThrow();
  });

  it('says which plugin is missing', () => {
    const wants = (key: string): Requirement => ({ key, op: 'exists', value: true });
    const nodes = [{ capabilities: {} }, { capabilities: { workspace: true, 'workspace/git': true } }];
    expect(explain([wants('workspace')], [{ capabilities: {} }]).summary).toBe('1 node: 1 lacks a workspace plugin');
    expect(explain([wants('workspace/svn')], nodes).summary).toBe('2 nodes: 2 lack the workspace plugin svn');
    expect(explain([wants('pool/docker')], nodes).summary).toBe('2 nodes: 2 lack the pool plugin docker');
  });
});

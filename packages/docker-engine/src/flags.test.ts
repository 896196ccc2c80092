import { describe, expect, test } from 'vitest';
import { limitsConfig, readBind, readLimits, readPair, readPath } from './flags.ts';

const MIB = 2 ** 20;

describe('limits', () => {
  test.each([
    [{}, {}],
    [{ cpus: '1.5' }, { cpus: 1.5 }],
    [{ memory: '6291456' }, { memoryBytes: 6 * MIB }],
    [
      { cpus: '0.01', memory: '512MiB' },
      { cpus: 0.01, memoryBytes: 512 * MIB },
    ],
    [{ memory: '1.5GiB' }, { memoryBytes: 1536 * MIB }],
  ])('%j is read as %j', (given, read) => {
    expect(readLimits('--', given)).toEqual(read);
  });

  test.each([
    [{ cpus: '0' }, 'option cpus 0: must be a number of CPUs from 0.01'],
    [{ cpus: '-1' }, 'option cpus -1'],
    [{ cpus: '1e3' }, 'option cpus 1e3'],
    [{ cpus: '' }, 'option cpus'],
    [{ memory: '5MiB' }, 'option memory 5MiB: must be a size of at least 6MiB'],
    [{ memory: '1GB' }, 'option memory 1GB'],
    [{ memory: 'much' }, 'option memory much'],
    [{ memory: '99999999TiB' }, 'option memory 99999999TiB'],
  ])('%j is refused', (given, message) => {
    expect(() => readLimits('option ', given)).toThrow(message);
  });

  test('of memory are limits of memory and swap together', () => {
    expect(limitsConfig({ cpus: 0.5, memoryBytes: 8 * MIB })).toEqual({
      NanoCpus: 5e8,
      Memory: 8 * MIB,
      MemorySwap: 8 * MIB,
    });
    expect(limitsConfig({})).toEqual({});
  });
});

describe('what is mounted', () => {
  test('has a source and a target, both absolute, and may be for reading only', () => {
    expect(readBind('--mount', '/a:/b')).toEqual({ source: '/a', target: '/b', readOnly: false });
    expect(readBind('--mount', '/a:/b:ro')).toEqual({ source: '/a', target: '/b', readOnly: true });
    for (const wrong of ['/a', 'a:/b', '/a:b', '/a:/b:rx', '/a:/b:ro:x', ''])
      expect(() => readBind('--mount', wrong)).toThrow('--mount');
  });
});

describe('a pair', () => {
  test('may have anything after the first equals sign, and has something before it', () => {
    expect(readPair('--label', 'a=b=c', 'KEY=VALUE')).toEqual(['a', 'b=c']);
    expect(readPair('--label', 'a=', 'KEY=VALUE')).toEqual(['a', '']);
    for (const wrong of ['a', '=b', ''])
      expect(() => readPair('--label', wrong, 'KEY=VALUE')).toThrow(`--label ${wrong}: must be KEY=VALUE`);
    expect(() => readPath('--socket', 'docker.sock')).toThrow('--socket docker.sock: must be an absolute path');
  });
});

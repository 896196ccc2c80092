import { describe, expect, it } from 'vitest';
import type { Command } from './command.ts';
import { findCommand, parseArgs } from './parse.ts';
import { TABLE } from './table/index.ts';

const command: Command = {
  path: ['try'],
  summary: 'Try.',
  positionals: [
    { name: 'first', summary: 'First.' },
    { name: 'more', summary: 'More.', many: true, optional: true },
  ],
  flags: [
    { name: 'count', short: 'c', kind: 'integer', min: 1, max: 9, summary: 'Count.' },
    { name: 'wait', kind: 'switch', summary: 'Wait.' },
    { name: 'set', kind: 'pairs', summary: 'Set.' },
    { name: 'for', kind: 'duration', min: 1_000, max: 3_600_000, summary: 'For.' },
    { name: 'no-context', kind: 'switch', summary: 'No context.' },
  ],
  takesCommand: true,
  examples: [],
  load: () => Promise.reject(new Error('not run')),
};
const parse = async (...words: string[]) => (await parseArgs(command, words)).args;
const complaints = (...words: string[]) =>
  parseArgs(command, words).then(
    () => [],
    (e: { issues: { message: string }[] }) => e.issues.map((i) => i.message),
  );

describe('arguments', () => {
  it('are read in any order, with what stands after -- left alone', async () => {
    const args = await parse(
      'a',
      '-c',
      '3',
      'b',
      '--set',
      'x=1',
      '--wait',
      '--set=y==',
      '--for',
      '1h',
      '--',
      'make',
      '--wait',
      '-c',
    );
    expect([args.one('first'), args.many('more')]).toEqual(['a', ['b']]);
    expect([args.number('count'), args.switch('wait'), args.number('for')]).toEqual([3, true, 3_600_000]);
    expect(args.pairs('set')).toEqual({ x: '1', y: '=' });
    expect(args.rest).toEqual(['make', '--wait', '-c']);
  });

  it('stay text: numbers, dots and dashes in values are not interpreted', async () => {
    const args = await parse('007', '1e3', '--set', 'a.b=1', '--set', 'n=-5');
    expect([args.one('first'), args.many('more'), args.pairs('set')]).toEqual([
      '007',
      ['1e3'],
      { 'a.b': '1', n: '-5' },
    ]);
  });

  it('that begin with no- are flags of their own', async () => {
    const args = await parse('a', '--no-context');
    expect([args.switch('no-context'), args.given().has('context')]).toEqual([true, false]);
  });

  it('are refused all at once', async () => {
    expect(await complaints('--cuont', '3', '--count', '10', '--count2', '--set', 'x', '--for', '5x')).toEqual([
      '--cuont: `try` has no such flag; did you mean "--count"?',
      '--count must lie between 1 and 9',
      '--count2: `try` has no such flag; did you mean "--count"?',
      '--set must be KEY=VALUE, not "x"',
      expect.stringContaining('--for must be a duration'),
      'FIRST is missing: First.',
    ]);
  });

  it.each([
    [[], 'FIRST is missing'],
    [['a', '-c', '1', '-c', '2'], '--count was given 2 times'],
    [['a', '--set', 'x=1', '--set', 'x=2'], 'gives x twice'],
    [['a', '--for', '100ms'], 'must lie between 1s and 1h'],
    [['a', '-o', 'xml'], '--format must be one of table, wide, json, yaml, name'],
  ])('are refused in %j', async (words, message) => {
    expect((await complaints(...words)).join('\n')).toContain(message);
  });

  it('are refused when the value of a flag is missing', async () => {
    await expect(parse('a', '--count')).rejects.toMatchObject({ code: 'bad-request' });
  });
});

describe('the command', () => {
  it('is found behind flags of every command', () => {
    expect(findCommand(TABLE, ['--context', 'x', '-o', 'json', 'spec', 'list', '-w'])).toMatchObject({
      command: { path: ['spec', 'list'] },
      rest: ['--context', 'x', '-o', 'json', '-w'],
    });
  });

  it('is not found in words that only look like one', () => {
    expect(findCommand(TABLE, ['spec', '--help'])).toEqual({ prefix: ['spec'] });
    expect(findCommand(TABLE, ['toString'])).toEqual({ prefix: ['toString'] });
    expect(findCommand(TABLE, [])).toEqual({ prefix: [] });
  });
});

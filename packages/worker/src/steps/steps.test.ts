import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Assignment } from '@boi/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allowedEnvironment, ENV_ALLOWED, taskEnvironment } from './environment.ts';
import { poolProgram } from './in-pool.ts';
import { parseOutputs, readOutputs } from './outputs.ts';

describe('outputs', () => {
  const parsed = (text: string) => parseOutputs(Buffer.from(text));

  test('lines of key=value; the last of a key counts; values keep equal signs and spaces', () => {
    expect(parsed('a=1\n\nb= x=y \r\na=2\n_C9=\n')).toEqual({ outputs: { a: '2', b: ' x=y ', _C9: '' } });
    expect(parsed('')).toEqual({ outputs: undefined });
    expect(parsed('last=no newline')).toEqual({ outputs: { last: 'no newline' } });
  });

  test('no more is read than may be kept, whatever size the file says it has', async () => {
    // A regular file of no size, with contents: as one that grows after it was looked at.
    const found = await readOutputs('/proc/self/maps', [], 100);
    expect(found).toEqual({ reason: 'output-too-large', message: 'outputs have 101 bytes; at most 100 are kept' });
  });

  test('a key named as an object member is a key like any other', () => {
    expect(parsed('__proto__=x\nconstructor=y')).toEqual({
      outputs: Object.fromEntries([
        ['__proto__', 'x'],
        ['constructor', 'y'],
      ]),
    });
  });

  test.each([
    ['no equals sign', 'line 1'],
    ['ok=1\n9digit=x', 'line 2'],
    [`${'k'.repeat(65)}=x`, 'line 1'],
    ['a-b=x', 'line 1'],
    ['a=\0', 'NUL'],
  ])('%j is malformed, and the message says where', (text, where) => {
    expect(parsed(text)).toMatchObject({ reason: 'output-missing', message: expect.stringContaining(where) });
  });

  test('bytes that are no UTF-8 are malformed', () => {
    expect(parseOutputs(Buffer.from([97, 61, 255]))).toMatchObject({ reason: 'output-missing' });
  });
});

describe('environment', () => {
  const base = {
    task: 'tsk_x',
    spec: 'spc_x',
    project: 'prj_x',
    node: 'nod_x',
    attempt: 2,
    delivery: 1,
    fence: '77',
  } as unknown as Assignment;
  const daemonEnv = { PATH: '/bin', LC_TIME: 'C', SECRET: 'no', BOI_SECRET_X: 'no', LD_PRELOAD: 'no' };
  const environment = (change: Partial<Assignment>, secrets = {}) =>
    taskEnvironment({
      assignment: { ...base, inputs: {}, definition: { ref: 'r', run: 'x' }, ...change },
      allowedEnv: allowedEnvironment(daemonEnv, ENV_ALLOWED),
      allowed: ENV_ALLOWED,
      secrets,
      outputPath: '/o',
    });

  test('of the daemon only the allow-list, and every BOI fact', () => {
    expect(environment({})).toEqual({
      PATH: '/bin',
      LC_TIME: 'C',
      BOI_TASK_ID: 'tsk_x',
      BOI_SPEC_ID: 'spc_x',
      BOI_PROJECT_ID: 'prj_x',
      BOI_NODE_ID: 'nod_x',
      BOI_TASK_REF: 'r',
      BOI_ATTEMPT: '2',
      BOI_FENCE: '77',
      BOI_OUTPUT: '/o',
    });
  });

  test('the task overrides the daemon, a secret the task, and nobody a BOI fact', () => {
    const definition = { ref: 'r', run: 'x', env: { PATH: '/mine', A: 'env', BOI_FENCE: '0' } };
    expect(environment({ definition }, { A: 'secret' })).toMatchObject({ PATH: '/mine', A: 'secret', BOI_FENCE: '77' });
  });

  test('an output is plain when one need provides it, and never replaces the way programs are found', () => {
    const inputs = { 'a[x=1]': { url: 'u', n: '1', PATH: '/evil', BOI_X: 'b' }, b: { n: '2' } };
    const env = environment({ inputs, definition: { ref: 'r', run: 'x', env: {} } });
    expect(env).toMatchObject({ url: 'u', PATH: '/bin', BOI_INPUT_A_X_1__n: '1', BOI_INPUT_B_n: '2' });
    expect(env).not.toHaveProperty('n');
    expect(env).not.toHaveProperty('BOI_X');
    expect(env.BOI_INPUT_A_X_1__PATH).toBe('/evil');
  });
});

describe('the program of a pool', () => {
  const runs = (commands: readonly (string | string[])[], file = '/dev/null') => {
    const [program = '', ...args] = poolProgram(commands, file);
    const { status, stdout } = spawnSync(program, args, { encoding: 'utf8' });
    return { status, stdout };
  };

  test('is the command itself if there is only one', () => {
    expect(poolProgram(['make'], '/s')).toEqual(['/bin/sh', '-c', 'make']);
    expect(poolProgram([['make', 'it']], '/s')).toEqual(['make', 'it']);
  });

  test('stops at the first that fails, with its exit code, and tells which', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'boi-step-')), "it's here");
    expect(runs(['echo a', ['sh', '-c', 'echo b; exit 7'], 'echo c'], file)).toEqual({ status: 7, stdout: 'a\nb\n' });
    expect(readFileSync(file, 'utf8')).toBe('1\n');
  });

  test('gives every word as it is', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[^\0]{1,8}$/), { minLength: 1, maxLength: 4 }), (words) => {
        const script = 'for word; do printf "%s|" "$word"; done';
        const { stdout } = runs([['/bin/sh', '-c', script, 'sh', ...words], 'true']);
        expect(stdout).toBe(words.map((word) => `${word}|`).join(''));
      }),
      { numRuns: 40 },
    );
  });
});

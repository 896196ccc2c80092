/** Errors as problem documents: one type for each code of the table, and nothing of what is not meant for callers. */
import { BoiError, ERROR_CODES, type ErrorCode } from '@boi/core';
import { expect, test } from 'vitest';
import { problemOf, toBoiError } from './problem.ts';

test.each(Object.keys(ERROR_CODES) as ErrorCode[])('%s has its type, title and status', (code) => {
  const { status, title } = ERROR_CODES[code];
  expect(problemOf(new BoiError(code, 'because'))).toEqual({
    type: `urn:boi:problem:${code}`,
    title,
    status,
    code,
    detail: 'because',
  });
});

test('what nobody expected is a bug: its text stays in the log', () => {
  const bug = new TypeError('cannot read the key of /var/lib/boi/identity');
  const error = toBoiError(bug);
  expect(error.cause).toBe(bug);
  const problem = problemOf(error, 'req-1');
  expect(problem).toMatchObject({ code: 'internal', status: 500, requestId: 'req-1' });
  expect(JSON.stringify(problem)).not.toContain('identity');
});

test('an operating error is told as it is', () => {
  const error = new BoiError('wrong-state', 'it has ended', { details: { state: 'failed' } });
  expect(toBoiError(error)).toBe(error);
  expect(problemOf(error)).toMatchObject({ detail: 'it has ended', details: { state: 'failed' } });
});

import type { ClusterApi } from '@boi/cluster';
import { ERROR_CODES, type ErrorCode, type NodeId, type ProjectId, type SpecId, type TaskId } from '@boi/core';
import { systemClock } from '@boi/system';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAccess } from '../access/open.ts';
import { RateLimiter } from '../access/rate-limit.ts';
import { type LogLine, LogRelay } from '../log-relay.ts';
import { noPlugins } from '../testing/no-plugins.ts';
import { createHandlers } from './handlers.ts';
import { createServer } from './server.ts';

/**
 * Every way of asking wrongly that we know of, and what the API answers. No handler may be reached: the cluster double
 * fails the test when one is. The table is checked in as docs/malformed-input.md (`npx vitest run -u` writes it anew).
 */
interface Row {
  readonly what: string;
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly status: number;
  readonly code: ErrorCode;
  /** A pointer that the answer must name. */
  readonly names?: string;
}

const json = { 'content-type': 'application/json' };
const P = '/v1/projects/default';

const rows: readonly Row[] = [
  { what: 'no such path', path: '/nowhere', status: 404, code: 'not-found' },
  { what: 'path traversal in an id', path: `${P}/tasks/..%2f..%2fetc%2fpasswd%00/log`, status: 404, code: 'not-found' },
  { what: 'broken percent-encoding', path: `${P}/specs/%zz`, status: 400, code: 'bad-request' },
  { what: 'wrong method', method: 'DELETE', path: `${P}/specs`, status: 405, code: 'not-allowed' },
  {
    what: 'wrong method on a stream',
    method: 'POST',
    path: `${P}/tasks/x/log`,
    headers: json,
    body: '{}',
    status: 405,
    code: 'not-allowed',
  },
  {
    what: 'foreign Host header',
    path: '/v1/nodes',
    headers: { host: 'evil.example:80' },
    status: 400,
    code: 'bad-request',
  },
  {
    what: 'foreign Origin header',
    path: '/v1/nodes',
    headers: { origin: 'https://evil.example' },
    status: 400,
    code: 'bad-request',
  },
  {
    what: 'body is not JSON',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source": ',
    status: 400,
    code: 'bad-request',
  },
  {
    what: 'field given twice',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"a","format":"yaml","source":"b"}',
    status: 400,
    code: 'bad-request',
    names: '/body/source',
  },
  {
    what: 'body is empty',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '',
    status: 400,
    code: 'bad-request',
  },
  {
    what: 'body is a list',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '[]',
    status: 400,
    code: 'bad-request',
    names: '/body',
  },
  {
    what: 'body is null',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: 'null',
    status: 400,
    code: 'bad-request',
    names: '/body',
  },
  {
    what: 'form instead of JSON',
    method: 'POST',
    path: `${P}/specs`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'a=b',
    status: 415,
    code: 'unsupported-media-type',
  },
  {
    what: 'field missing',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"x"}',
    status: 400,
    code: 'bad-request',
    names: '/body/format',
  },
  {
    what: 'unknown field',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"x","format":"yaml","actor":"root"}',
    status: 400,
    code: 'bad-request',
    names: '/body/actor',
  },
  {
    what: 'null for an optional field',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"x","format":"yaml","idempotencyKey":null}',
    status: 400,
    code: 'bad-request',
    names: '/body/idempotencyKey',
  },
  {
    what: 'number for text',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":5,"format":"yaml"}',
    status: 400,
    code: 'bad-request',
    names: '/body/source',
  },
  {
    what: 'unknown format',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"x","format":"xml"}',
    status: 400,
    code: 'bad-request',
    names: '/body/format',
  },
  {
    what: 'two mistakes, both named',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":5,"format":"xml"}',
    status: 400,
    code: 'bad-request',
    names: '/body/format',
  },
  {
    what: 'idempotency key of 129 characters',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: JSON.stringify({ source: 'x', format: 'yaml', idempotencyKey: 'k'.repeat(129) }),
    status: 400,
    code: 'bad-request',
    names: '/body/idempotencyKey',
  },
  {
    what: 'dry run on the dispatch route',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"x","format":"yaml","dryRun":true}',
    status: 400,
    code: 'bad-request',
    names: '/body/dryRun',
  },
  {
    what: 'body of 2 MB',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: JSON.stringify({ source: 'x'.repeat(2_000_000), format: 'yaml' }),
    status: 413,
    code: 'too-large',
  },
  {
    what: 'prototype pollution',
    method: 'POST',
    path: `${P}/specs`,
    headers: json,
    body: '{"source":"x","format":"yaml","__proto__":{"admin":true}}',
    status: 400,
    code: 'bad-request',
  },
  { what: 'page size 0', path: `${P}/specs?limit=0`, status: 400, code: 'bad-request', names: '/query/limit' },
  {
    what: 'page size not a number',
    path: `${P}/specs?limit=many`,
    status: 400,
    code: 'bad-request',
    names: '/query/limit',
  },
  {
    what: 'unknown state',
    path: `${P}/specs?state=sleeping`,
    status: 400,
    code: 'bad-request',
    names: '/query/state',
  },
  {
    what: 'unknown query parameter',
    path: `${P}/specs?colour=red`,
    status: 400,
    code: 'bad-request',
    names: '/query/colour',
  },
  {
    what: 'negative offset',
    path: `${P}/tasks/x/log?offset=-1`,
    status: 400,
    code: 'bad-request',
    names: '/query/offset',
  },
  {
    what: 'offset and tail at once',
    path: `${P}/tasks/known/log?offset=1&tailBytes=2`,
    status: 400,
    code: 'bad-request',
    names: '/query/tailBytes',
  },
  {
    what: 'delivery without attempt',
    path: `${P}/tasks/known/log?delivery=1`,
    status: 400,
    code: 'bad-request',
    names: '/query/delivery',
  },
  {
    what: 'kill without force',
    method: 'POST',
    path: `${P}/tasks/x/kill`,
    headers: json,
    body: '{}',
    status: 400,
    code: 'bad-request',
    names: '/body/force',
  },
  {
    what: 'kill with force: false',
    method: 'POST',
    path: `${P}/tasks/x/kill`,
    headers: json,
    body: '{"force":false}',
    status: 400,
    code: 'bad-request',
    names: '/body/force',
  },
  {
    what: 'drain deadline as text',
    method: 'POST',
    path: '/v1/nodes/x/drain',
    headers: json,
    body: '{"deadlineMs":"soon"}',
    status: 400,
    code: 'bad-request',
    names: '/body/deadlineMs',
  },
  {
    what: 'drain deadline of a year',
    method: 'POST',
    path: '/v1/nodes/x/drain',
    headers: json,
    body: '{"deadlineMs":31536000000}',
    status: 400,
    code: 'bad-request',
    names: '/body/deadlineMs',
  },
  {
    what: 'internal tail of what is no task id',
    path: '/internal/tail/..%2f..%2fsecret',
    status: 400,
    code: 'bad-request',
    names: '/params/tsk',
  },
];

const reached = (name: string) => () => {
  throw new Error(`handler reached the cluster: ${name}`);
};
/** Resolves the names the rows use; everything else may not be reached. */
const api = new Proxy({} as ClusterApi, {
  get(_target, name: string) {
    if (name === 'project') return async () => ({ id: 'prj_01h455vb4pex5vsknk084sn02q' as ProjectId });
    if (name === 'resolveTask') {
      return async (_prj: ProjectId, path: string) => {
        if (path === 'known') return 'tsk_01h455vb4pex5vsknk084sn001' as TaskId;
        const { BoiError } = await import('@boi/core');
        throw new BoiError('not-found', 'There is no such task.');
      };
    }
    return reached(name);
  },
});

const relay = new LogRelay({
  api,
  clock: systemClock,
  self: () => 'nod_01h455vb4pex5vsknk084sn02q',
  local: {
    attempts: async (_spec: SpecId, _task: TaskId) => [],
    read: reached('local logs') as () => AsyncIterable<LogLine>,
  },
  remote: reached('remote') as () => AsyncIterable<LogLine>,
});
const server = createServer({
  handlers: createHandlers({
    api,
    relay,
    plugins: noPlugins(api, 'nod_01h455vb4pex5vsknk084sn02q' as NodeId),
    version: '0.0.0',
    self: () => ({ id: 'nod_01h455vb4pex5vsknk084sn02q' as NodeId }),
  }),
  internal: relay.internalRoutes(),
  access: openAccess(new RateLimiter(systemClock, 0)),
  plain: [],
  log: pino({ level: 'silent' }),
});

beforeAll(() => server.ready());
afterAll(() => server.close());

async function ask(row: Row) {
  const response = await server.inject({
    method: (row.method ?? 'GET') as 'GET',
    url: row.path,
    headers: { host: '127.0.0.1:7440', ...row.headers },
    ...(row.body === undefined ? {} : { payload: row.body }),
  });
  return {
    response,
    problem: response.json() as { code: string; status: number; detail: string; issues?: { path: string }[] },
  };
}

test.each(rows)('$what → $status $code', async (row) => {
  const { response, problem } = await ask(row);
  expect(response.headers['content-type']).toMatch(/^application\/problem\+json/);
  expect([response.statusCode, problem.code]).toEqual([row.status, row.code]);
  expect(problem.status).toBe(row.status);
  if (row.names !== undefined) expect(problem.issues?.map((i) => i.path)).toContain(row.names);
  expect(Object.keys(ERROR_CODES)).toContain(problem.code);
});

test('docs/malformed-input.md tells what each was answered', async () => {
  const lines = [
    '# Malformed input',
    '',
    'What was tried on the HTTP API and what it answered, written by `packages/node/src/http/malformed-input.test.ts`.',
    'Spec files have a table of their own in the tests of `packages/core/src/spec`, the command line in those of `packages/cli`.',
    '',
    '| tried | request | answer |',
    '|---|---|---|',
  ];
  for (const row of rows) {
    const { response, problem } = await ask(row);
    const detail = problem.detail.replaceAll('|', '\\|').slice(0, 160);
    lines.push(
      `| ${row.what} | \`${row.method ?? 'GET'} ${row.path}\` | ${response.statusCode} \`${problem.code}\`: ${detail} |`,
    );
  }
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot('../../../../docs/malformed-input.md');
});

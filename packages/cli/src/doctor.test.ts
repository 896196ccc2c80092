import { clusterView, NODE_ID, nodeView, StubApi, specView, T0, TASK_ID, taskView } from '@boi/client/testing';
import { BoiError } from '@boi/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home, type RunOptions } from './testing/harness.ts';

let home: Home;
let api: StubApi;

beforeEach(async () => {
  home = await Home.make();
  api = await StubApi.start();
});

afterEach(async () => {
  await api.stop();
  await home.remove();
  expect(api.violations).toEqual([]);
});

const run = (words: readonly string[], options: RunOptions = {}) =>
  home.run(words, { ...options, env: { BOI_ENDPOINTS: api.url, ...options.env } });

describe('doctor', () => {
  it('names the next command for each finding, and exits 1 for an error', async () => {
    api.on('whoami', () => ({
      node: { id: NODE_ID },
      cluster: 'c',
      version: '0.2.0',
      defaultProject: { id: 'prj_1' },
    }));
    api.on('cluster.show', () =>
      clusterView({
        paused: true,
        store: { revision: '1', dbBytes: 1, dbBytesInUse: 1, version: '3.5', alarms: ['NOSPACE'] },
      }),
    );
    api.on('node.list', () => ({ items: [nodeView({ state: 'dead', version: '0.2.0' })] }));
    api.on('spec.list', () => ({ items: [specView()] }));
    api.on('spec.tasks', () => ({ items: [taskView({ state: 'queued' })] }));
    const done = await run(['doctor', '-o', 'json'], { now: Date.now() });
    expect(done.code).toBe(1);
    const next = (JSON.parse(done.stdout) as { level: string; next?: string }[])
      .filter((f) => f.level !== 'ok')
      .map((f) => f.next);
    expect(next).toEqual(
      expect.arrayContaining([
        expect.stringContaining('etcdctl alarm disarm'),
        'boi-node cluster resume',
        `boi-node join, on that host; if it will not come back: boi-node node remove ${NODE_ID}`,
        `boi-node task show ${TASK_ID}`,
      ]),
    );
  });

  const local = { node: { id: NODE_ID, name: 'n1' }, version: '0.1.0', tasks: [], results: [] };
  const findings = async () => {
    const done = await run(['doctor', '-o', 'json'], { now: T0 });
    return { code: done.code, found: JSON.parse(done.stdout) as { check: string; level: string; finding: string }[] };
  };

  it('tells a node that does not reach the store from a wrong address', async () => {
    api.on('whoami', () => {
      throw new BoiError('store-unreachable', 'this node has not reached the store for 9 s');
    });
    api.on('local.show', () => ({ ...local, session: 'joining', storeAwayMs: 9_000 }));
    const { code, found } = await findings();
    expect(code).toBe(3);
    expect(found.filter(({ level }) => level === 'error')).toEqual([
      {
        check: 'store',
        level: 'error',
        finding: `n1 (${NODE_ID}) has not reached the store for 9 s; what runs goes on`,
        next: 'etcdctl endpoint health, on that host',
      },
    ]);
    expect(found).toContainEqual(
      expect.objectContaining({
        check: 'address',
        level: 'ok',
        finding: `${api.url} answers`,
      }),
    );
  });

  it.each([
    [{ session: 'joining' as const }, 'error', /has no session \(joining\): it takes no work/],
    [
      { session: 'live' as const, fallbackSince: T0 - 60_000 },
      'warning',
      /has been in local fallback for 1m: it takes no work/,
    ],
  ])('says of a node that takes no work why: %j', async (state, level, finding) => {
    api.on('whoami', () => ({
      node: { id: NODE_ID },
      cluster: 'c',
      version: '0.1.0',
      defaultProject: { id: 'prj_1' },
    }));
    api.on('local.show', () => ({ ...local, ...state }));
    api.on('cluster.show', () => clusterView());
    api.on('node.list', () => ({ items: [] }));
    api.on('spec.list', () => ({ items: [] }));
    const { found } = await findings();
    expect(found).toContainEqual(
      expect.objectContaining({ check: 'nodes', level, finding: expect.stringMatching(finding) }),
    );
  });

  it('exits 3 when no address answers', async () => {
    const { url } = api;
    await api.stop();
    const done = await home.run(['doctor', '--endpoints', url]);
    expect(done.code).toBe(3);
    expect(done.stdout).toContain(`${url} cannot be reached (connection refused)`);
    api = await StubApi.start();
  });
});

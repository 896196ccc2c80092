import { CountingStore } from '@boi/store';
import { expect, test } from 'vitest';
import { codecs, type ProjectRecord, SCHEMA_VERSION } from '../records.ts';
import { fixture, put, testProject } from '../testing/fixtures.ts';
import { Shares } from './shares.ts';

const REREAD_MS = 30_000;

async function known() {
  const f = fixture();
  const project = testProject;
  const record: ProjectRecord = { v: SCHEMA_VERSION, share: 3, createdAt: 0 };
  await put(f, f.keys.project(project), codecs.project, record);
  const store = new CountingStore({ store: f.store, clock: f.clock });
  const shares = new Shares({ ...f.ctx, store });
  shares.of(project);
  await shares.stop();
  return { f, project, store, shares };
}

test('a project whose entries come one at a time is read once, not for each of them', async () => {
  const { f, project, store, shares } = await known();
  for (let i = 0; i < 10; i++) {
    shares.keep([]);
    await f.clock.advance(REREAD_MS / 20);
    expect(shares.of(project)).toBe(3);
  }
  expect(store.counts.reads).toBe(1);
});

test('it is read again after a while, and forgotten then if nothing of it is left', async () => {
  const { f, project, store, shares } = await known();
  await f.clock.advance(REREAD_MS + 1);
  expect(shares.of(project)).toBe(3);
  await shares.stop();
  expect(store.counts.reads).toBe(2);
  await f.clock.advance(REREAD_MS + 1);
  shares.keep([]);
  expect(shares.of(project)).toBe(1);
});

import { type EventId, mintedAt } from '@boi/core';
import { CountingStore } from '@boi/store';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { depsOf, StaticMembership, testNode } from '../testing/fixtures.ts';
import { type IdentityRig, identityRig, ROOT, testToken } from '../testing/identity-rig.ts';
import type { AuditLine } from './api-types.ts';
import { firstIdAt } from './audit.ts';
import { identityCodecs } from './records.ts';
import { IdentityUpkeep } from './upkeep.ts';

let rig: IdentityRig;
const ending: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  rig = await identityRig(false);
});

afterEach(async () => {
  for (const end of ending.splice(0)) await end();
});

const say = (what: string, over: object = {}) => rig.wait(rig.identity.audit({ actor: ROOT, what, ...over }));
const whats = (lines: readonly AuditLine[]) => lines.map(({ what }) => what);

describe('the audit', () => {
  test('has who did what to which, from which revision to which, when, and where it was served', async () => {
    await say('spec.cancel', { subject: 'spc_1', before: '12', after: '13' });
    const [line] = (await rig.identity.listAudit()).items;
    expect(line).toMatchObject({ actor: ROOT, what: 'spec.cancel', subject: 'spc_1', before: '12', after: '13' });
    expect(line).toMatchObject({ at: rig.f.clock.now() - 3, node: testNode(1) });
    expect(mintedAt(line?.id as EventId)).toBe(line?.at);
  });

  test('writes the lines of one moment in one request, and tells each when it is durable', async () => {
    const before = Number(rig.f.server.revision);
    const lines = Array.from({ length: 100 }, (_, n) => rig.identity.audit({ actor: ROOT, what: `op.${n}` }));
    await rig.wait(Promise.all(lines));
    expect(Number(rig.f.server.revision)).toBe(before + 1);
    expect((await rig.identity.listAudit()).items).toHaveLength(100);
  });

  test('keeps every field of a line bounded, whatever is said', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 2_000 }), fc.string({ maxLength: 2_000 }), async (what, subject) => {
        await say(what, { subject, actor: { kind: 'user', id: what } });
        const { kvs } = await rig.f.store.range(rig.f.keys.audits());
        for (const { value } of kvs) expect(value.length).toBeLessThan(6 * 3 * 256 + 400);
      }),
      { numRuns: 40 },
    );
  });

  test('tells who asked when it could not be written, and refuses when too many wait', async () => {
    rig.store.partition();
    const lines = Array.from({ length: 5_000 }, () =>
      rig.identity.audit({ actor: ROOT, what: 'x' }).catch((e: unknown) => e),
    );
    await expect(rig.identity.audit({ actor: ROOT, what: 'x' })).rejects.toMatchObject({ code: 'unavailable' });
    expect(await rig.wait(lines[0] as Promise<unknown>)).toMatchObject({ code: 'outcome-unknown' });
    rig.store.heal();
    await rig.wait(Promise.all(lines));
  });

  test('written twice because the answer was lost is one line', async () => {
    let lost = 0;
    rig.store.plan = { call: ({ method }) => (method === 'txn' && lost++ === 0 ? { dropReply: true } : undefined) };
    await say('once');
    expect((await rig.identity.listAudit()).items).toHaveLength(1);
  });

  test('of a stopping node is finished, and takes no more', async () => {
    const line = rig.identity.audit({ actor: ROOT, what: 'last' });
    await rig.identity.start();
    await rig.wait(rig.identity.stop());
    await line;
    expect(whats((await rig.identity.listAudit()).items)).toEqual(['last']);
    await expect(rig.identity.audit({ actor: ROOT, what: 'x' })).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a list of the audit', () => {
  test('goes on page by page, each line once', async () => {
    for (let n = 0; n < 7; n++) await say(`op.${n}`);
    const seen: string[] = [];
    let after: EventId | undefined;
    do {
      const page = await rig.identity.listAudit({ limit: 3, ...(after === undefined ? {} : { after }) });
      seen.push(...whats(page.items));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual(Array.from({ length: 7 }, (_, n) => `op.${n}`));
  });

  test('is that of the last day, or from a moment on, or of one actor', async () => {
    await say('old');
    await rig.f.clock.advance(25 * 3600_000);
    const since = rig.f.clock.now();
    await say('mine');
    await say('theirs', { actor: { kind: 'node', id: testNode(7) } });
    expect(whats((await rig.identity.listAudit()).items)).toEqual(['mine', 'theirs']);
    expect(whats((await rig.identity.listAudit({ since: 0 })).items)).toEqual(['old', 'mine', 'theirs']);
    expect(whats((await rig.identity.listAudit({ since })).items)).toEqual(['mine', 'theirs']);
    expect(whats((await rig.identity.listAudit({ actor: testNode(7) })).items)).toEqual(['theirs']);
  });
});

describe('following the audit', () => {
  async function follow(after?: EventId, actor?: string) {
    const lines: AuditLine[] = [];
    const end = new AbortController();
    const query = { ...(after === undefined ? {} : { after }), ...(actor === undefined ? {} : { actor }) };
    const done = rig.identity.followAudit(query, (line) => lines.push(line), end.signal);
    ending.push(async () => {
      end.abort(new Error('enough'));
      await rig.wait(done);
    });
    await rig.f.clock.advance(10);
    return lines;
  }
  const heard = (lines: readonly unknown[], count: number) =>
    rig.f.clock.until(() => lines.length === count, 30_000, `${count} lines`);

  test('tells what comes, not what was', async () => {
    await say('before');
    const lines = await follow();
    const mine = await follow(undefined, testNode(7));
    await say('one');
    await say('two', { actor: { kind: 'node', id: testNode(7) } });
    await heard(lines, 2);
    expect(whats(lines)).toEqual(['one', 'two']);
    expect(whats(mine)).toEqual(['two']);
  });

  test('tells what came after a line', async () => {
    for (const what of ['a', 'b', 'c']) await say(what);
    const [first] = (await rig.identity.listAudit()).items;
    const lines = await follow(first?.id);
    await say('d');
    await heard(lines, 3);
    expect(whats(lines)).toEqual(['b', 'c', 'd']);
  });

  test('misses nothing and repeats nothing when the watch is lost, also of a node whose clock is behind', async () => {
    const lines = await follow();
    await say('one');
    await heard(lines, 1);
    rig.store.partition();
    await rig.f.clock.advance(100);
    const slow = rig.from(3);
    rig.f.clock.wallOffsetMs -= 5_000;
    await rig.wait(slow.audit({ actor: ROOT, what: 'two' }));
    rig.f.clock.wallOffsetMs += 5_000;
    rig.store.heal();
    rig.store.loseWatches();
    await heard(lines, 2);
    await say('three');
    await heard(lines, 3);
    expect(whats(lines)).toEqual(['one', 'two', 'three']);
  });
});

describe('the upkeep', () => {
  async function upkeep(config: object): Promise<IdentityUpkeep> {
    const membership = await StaticMembership.create(rig.f);
    const member = await membership.join(testNode(1));
    const deps = depsOf(
      { ...rig.f, ctx: { ...rig.f.ctx, config: { ...rig.f.ctx.config, ...config } } },
      membership,
      member,
    );
    const service = new IdentityUpkeep(deps);
    service.start();
    ending.push(() => rig.wait(service.stop()));
    return service;
  }
  const TURN_MS = 600_000;

  test('removes audit lines by age', async () => {
    await upkeep({ auditKeepMs: 1.5 * TURN_MS });
    await say('old');
    await rig.f.clock.advance(TURN_MS);
    await say('new');
    expect(whats((await rig.identity.listAudit()).items)).toEqual(['old', 'new']);
    await rig.f.clock.advance(TURN_MS);
    expect(whats((await rig.identity.listAudit()).items)).toEqual(['new']);
  });

  test('removes the oldest audit lines beyond a number, also over several pages', async () => {
    await upkeep({ auditLinesMax: 40 });
    const lines = Array.from({ length: 2_500 }, (_, n) => rig.identity.audit({ actor: ROOT, what: `op.${n}` }));
    await rig.wait(Promise.all(lines));
    await rig.f.clock.advance(TURN_MS);
    const left = whats((await rig.identity.listAudit()).items);
    expect(left).toEqual(Array.from({ length: 40 }, (_, n) => `op.${2_460 + n}`));
  });

  test('removes tokens a day after they expired, and leaves the others', async () => {
    await upkeep({});
    const put = (n: number, expiresAt: number) =>
      rig.f.store.txn({
        compares: [],
        success: [
          { op: 'put', key: rig.f.keys.token(testToken(n)), value: identityCodecs.token.encode({ v: 1, expiresAt }) },
        ],
      });
    const now = rig.f.clock.now();
    await put(1, now - 24 * 3600_000);
    await put(2, now);
    await rig.f.clock.advance(TURN_MS);
    expect((await rig.identity.listTokens()).map(({ id }) => id)).toEqual([testToken(2)]);
  });

  test('is one node’s work', async () => {
    const membership = await StaticMembership.create(rig.f);
    const [one, two] = [await membership.join(testNode(1)), await membership.join(testNode(2))];
    const config = { ...rig.f.ctx.config, auditKeepMs: 0 };
    const store = [one, two].map((member) => {
      const counting = new CountingStore({ store: rig.f.store, clock: rig.f.clock });
      const deps = depsOf({ ...rig.f, ctx: { ...rig.f.ctx, store: counting, config } }, membership, member);
      const service = new IdentityUpkeep(deps);
      service.start();
      ending.push(() => rig.wait(service.stop()));
      return counting;
    });
    await say('gone');
    await rig.f.clock.advance(TURN_MS);
    expect(store.map(({ counts }) => counts.writes > 0).sort()).toEqual([false, true]);
    expect((await rig.identity.listAudit()).items).toEqual([]);
  });
});

test('the lowest id of a moment is not above any id of that moment', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 47 }), (ms) => {
      expect(mintedAt(firstIdAt(ms))).toBe(ms);
      expect(firstIdAt(ms).slice(14)).toBe('0'.repeat(16));
    }),
  );
  expect(mintedAt(firstIdAt(-1))).toBe(0);
});

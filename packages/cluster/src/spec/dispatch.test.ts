import { type SpecDefinition, type SpecId, type TaskDefinition, taskId } from '@boi/core';
import { type Batch, type BatchAnswer, type MemoryStore, type Txn, type TxnAnswer, unchanged } from '@boi/store';
import { describe, expect, it } from 'vitest';
import { codecs } from '../records.ts';
import { allKeys, definition, testProject } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';
import { fsck } from '../upkeep/fsck.ts';
import { cancelSpec } from './cancel.ts';
import { retrySpec } from './retry.ts';

const many = (count: number, task: Partial<TaskDefinition> = {}) => Array.from({ length: count }, () => task);

function request(tasks: readonly Partial<TaskDefinition>[], more: Partial<SpecDefinition> = {}) {
  const spec: SpecDefinition = {
    failurePolicy: 'continue',
    ...more,
    tasks: tasks.map((task, i) => definition({ ref: `t${i + 1}`, ...task })),
  };
  return { project: testProject, spec, digest: 'd1' };
}

/** Counts writes; `onWrite` may change what becomes of one. */
function spied(
  store: MemoryStore,
  onWrite: (n: number, send: () => Promise<unknown>) => Promise<unknown>,
): { store: MemoryStore; writes: () => number } {
  let n = 0;
  const wrapped = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (name !== 'txn' && name !== 'batch') return value.bind(target);
      return (write: Txn & Batch, options?: object): Promise<TxnAnswer | BatchAnswer> => {
        const reads = name === 'txn' && write.compares.length === 0;
        const send = () => (value as (w: Txn, o?: object) => Promise<unknown>).call(target, write, options);
        return (reads ? send() : onWrite(++n, send)) as Promise<TxnAnswer>;
      };
    },
  });
  return { store: wrapped, writes: () => n };
}

const signal = new AbortController().signal;

describe('dispatch', () => {
  it('writes a one-task spec as a header and an entry with its definition, without a coordinator', async () => {
    const rig = await SpecRig.create(2);
    const before = rig.f.server.revision;
    const spc = await rig.dispatch([{ run: 'echo hi' }]);
    expect(BigInt(rig.f.server.revision) - BigInt(before)).toBe(1n);
    const [entry] = await rig.entries();
    expect(entry?.record).toMatchObject({ single: true, def: { run: 'echo hi' }, attempt: 1, deliveries: 0 });
    expect(await rig.header(spc)).toMatchObject({ state: 'active', cursor: 1, tasks: 1, chunks: 0 });
    expect((await allKeys(rig.f)).filter((key) => /^(coord|specbody|names|idempotency)/.test(key))).toEqual([]);
    await rig.stop();
  });

  it('puts a definition of more than 2 KiB into the body', async () => {
    const rig = await SpecRig.create(1);
    const spc = await rig.dispatch([{ run: 'x'.repeat(3000) }]);
    const [entry] = await rig.entries();
    expect(entry?.record).toMatchObject({ single: true, chunk: 0 });
    expect(await rig.node(1).deps.bodies.definition(spc, 1, 0)).toMatchObject({ run: 'x'.repeat(3000) });
    await rig.stop();
  });

  it('writes a small spec in one transaction: every task has its record at the revision it appears', async () => {
    const rig = await SpecRig.create(3);
    const before = rig.f.server.revision;
    const spc = await rig.dispatch([...many(60), ...many(20, { needs: [1] })], { name: 'build' });
    const header = await rig.header(spc);
    expect(header).toMatchObject({ state: 'active', cursor: 80, chunks: 1 });
    const { kv } = await rig.f.store.get(rig.f.keys.spec(testProject, spc));
    expect(kv?.createRevision).toBe(String(BigInt(before) + 1n));
    expect((await rig.queued()).length).toBe(60);
    expect(await allKeys(rig.f)).toContain(`names/${testProject}/spec/build/${spc}`);
    expect(await allKeys(rig.f)).toContain(`coord/${header?.coordinator}/${spc}`);
    await rig.stop();
  });

  it('leaves under `unassigned`, with the reason, what no node can run', async () => {
    const rig = await SpecRig.create(2);
    await rig.dispatch([{ requires: [{ key: 'gpu', op: 'exists', value: true }] }]);
    const [entry] = await rig.entries();
    expect(entry?.key).toContain('/queue/unassigned/');
    expect(entry?.record.why?.constraints).toContainEqual({ constraint: expect.stringContaining('gpu'), nodes: 2 });
    await rig.stop();
  });

  it('hands a large spec out in chunks in the background and ends active', async () => {
    const rig = await SpecRig.create(3);
    const spc = await rig.dispatch([...many(700), ...many(300, { needs: [1, 2] })]);
    expect((await rig.header(spc))?.state).toBe('dispatching');
    await rig.settle(1000);
    expect(await rig.header(spc)).toMatchObject({ state: 'active', cursor: 1000 });
    expect(await rig.header(spc)).not.toHaveProperty('dispatcher');
    expect((await rig.queued()).length).toBe(700);
    expect(await fsck(rig.node(1).deps)).toMatchObject({ clean: true, findings: [], tasks: 1000 });
    expect(await rig.runToEnd(spc)).toMatchObject({ state: 'succeeded', counts: { succeeded: 1000 } });
    await rig.stop();
  });

  it('keeps a spec’s own limit over chunks', async () => {
    const rig = await SpecRig.create(2, { dispatchChunk: 100 });
    await rig.dispatch(many(400), { concurrency: 130 });
    await rig.settle(1000);
    expect((await rig.queued()).length).toBe(130);
    await rig.stop();
  });

  it('places anew when a node goes away between the view and the transaction', async () => {
    const rig = await SpecRig.create(3);
    // The record goes at once, the membership hears of it a while later.
    const gone = rig.node(3).id;
    await rig.f.store.txn({ compares: [], success: [{ op: 'delete', key: rig.f.keys.node(gone) }] });
    const dispatching = rig.dispatch(many(50));
    await rig.settle(120);
    await rig.membership.die(gone);
    await rig.settle(200);
    await dispatching;
    expect((await rig.entries()).filter(({ key }) => key.includes(gone))).toEqual([]);
    expect(await rig.queued()).toHaveLength(50);
    await rig.stop();
  });

  it('is refused by a node without a session', async () => {
    const rig = await SpecRig.create(1);
    rig.node(1).deps.session.lose();
    await expect(rig.dispatch(many(300))).rejects.toMatchObject({ code: 'unavailable' });
    await rig.stop();
  });

  it('reports every mistake of the file', async () => {
    const rig = await SpecRig.create(1);
    const body = { source: 'tasks:\n  - ref: a\n  - ref: a\n    run: x\n    nedds: [b]\n', format: 'yaml' as const };
    const refused = await Promise.resolve()
      .then(() => rig.node(1).dispatcher.dispatch(testProject, body))
      .catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'invalid-spec' });
    expect((refused as { issues: unknown[] }).issues.length).toBeGreaterThan(1);
    await rig.stop();
  });
});

describe('an idempotency key', () => {
  it('answers the spec it made, and refuses another content', async () => {
    const rig = await SpecRig.create(2);
    const { dispatcher } = rig.node(1);
    for (const tasks of [many(1), many(30), many(300)]) {
      const key = `k${tasks.length}`;
      const first = await dispatcher.accept({ ...request(tasks), idempotencyKey: key });
      expect(first.existing).toBe(false);
      const second = await rig.node(2).dispatcher.accept({ ...request(tasks), idempotencyKey: key });
      expect(second).toMatchObject({ id: first.id, existing: true });
      const other = dispatcher.accept({ ...request(tasks), digest: 'd2', idempotencyKey: key });
      await expect(other).rejects.toMatchObject({ code: 'idempotency-conflict' });
    }
    await rig.settle(500);
    await rig.stop();
  });

  it('makes one spec of two requests at once', async () => {
    const rig = await SpecRig.create(2);
    const both = await Promise.all(
      [1, 2].map((n) => rig.node(n).dispatcher.accept({ ...request(many(20)), idempotencyKey: 'k' })),
    );
    expect(new Set(both.map(({ id }) => id)).size).toBe(1);
    expect(both.map(({ existing }) => existing).sort()).toEqual([false, true]);
    await rig.stop();
  });
});

describe('a lost answer', () => {
  it.each([1, 30, 300])('of any request of a dispatch of %i tasks changes nothing', async (count) => {
    for (let k = 1; k <= 8; k++) {
      let writes = () => 0;
      const rig = await SpecRig.create(1, { dispatchChunk: 100 }, (store) => {
        const spy = spied(store, async (n, send) => {
          const answer = await send();
          return n === k ? { outcome: 'unknown', cause: new Error('lost') } : answer;
        });
        writes = spy.writes;
        return spy.store;
      });
      const dispatching = rig.dispatch(many(count));
      await rig.settle(2000);
      const spc = await dispatching;
      expect(await rig.runToEnd(spc), `answer ${k}`).toMatchObject({
        state: 'succeeded',
        counts: { succeeded: count },
      });
      const specs = (await allKeys(rig.f)).filter((key) => key.startsWith('specs/'));
      expect(specs).toHaveLength(1);
      await rig.stop();
      if (writes() < k) break;
    }
  });
});

describe('a dispatcher that dies', () => {
  it.each([false, true])(
    'after any request of a large dispatch leaves a spec that completes, or nothing (request %s)',
    async (applied) => {
      let freed = 0;
      let completed = 0;
      for (let k = 1; k <= 12; k++) {
        let dies: () => void = () => {};
        const dead = new Promise<void>((resolve) => {
          dies = resolve;
        });
        let reached = false;
        const rig = await SpecRig.create(3, { dispatchChunk: 50 }, (store, node) => {
          if (node !== 1) return store;
          return spied(store, async (n, send) => {
            if (n < k) return send();
            if (n === k) {
              reached = true;
              if (applied) await send();
              dies();
            }
            return new Promise(() => {});
          }).store;
        });
        const accepting = rig.node(1).dispatcher.accept({
          ...request([...many(250), ...many(50, { needs: [3] })], { name: 'big' }),
          idempotencyKey: 'k',
        });
        accepting.catch(() => undefined);
        await Promise.race([dead, rig.settle(500)]);
        await rig.settle(100);
        await rig.membership.die(rig.node(1).id);
        await rig.adoptCoordinations(rig.node(1).id);
        await rig.settle(3000);
        const specs = (await allKeys(rig.f)).filter((key) => key.startsWith('specs/'));
        const report = await fsck(rig.node(2).deps);
        // The dead node's own queue waits for its adopter, which is not part of this rig.
        const findings = report.findings.filter(({ kind }) => kind !== 'dead-queue');
        expect(findings, `after request ${k}`).toEqual([]);
        if (specs.length === 0) {
          freed++;
          const left = (await allKeys(rig.f)).filter((key) => !/^(cluster|incarnation|nodes\/)/.test(key));
          expect(left, `after request ${k}`).toEqual([]);
        } else {
          completed++;
          const spc = specs[0]?.split('/').at(-1) as SpecId;
          expect(await rig.runToEnd(spc)).toMatchObject({ state: 'succeeded', counts: { succeeded: 300 } });
        }
        rig.conservation.stop();
        rig.conservation.assert();
        if (!reached) break;
      }
      expect(freed).toBeGreaterThan(0);
      expect(completed).toBeGreaterThan(0);
    },
  );

  it('and comes back cannot go on once another has taken its place', async () => {
    const held: (() => void)[] = [];
    let hold = false;
    const rig = await SpecRig.create(2, { dispatchChunk: 50 }, (store, node) => {
      if (node !== 1) return store;
      return spied(store, async (_n, send) => {
        if (hold) await new Promise<void>((resolve) => held.push(resolve));
        return send();
      }).store;
    });
    const spc = await rig.dispatch(many(300));
    hold = true;
    await rig.settle(100);
    await rig.membership.die(rig.node(1).id);
    await rig.adoptCoordinations(rig.node(1).id);
    await rig.settle(1000);
    expect(await rig.header(spc)).toMatchObject({ state: 'active', cursor: 300 });
    hold = false;
    for (const release of held) release();
    await rig.settle(1000);
    expect(await rig.runToEnd(spc)).toMatchObject({ counts: { succeeded: 300 } });
    rig.conservation.assert();
  });
});

describe('a cancel during a large dispatch', () => {
  it('after any chunk gives every task a result', async () => {
    // The first three requests are the header, the body and the acceptance.
    for (let k = 4; k <= 9; k++) {
      let halt: () => void = () => {};
      const halted = new Promise<void>((resolve) => {
        halt = resolve;
      });
      let go: () => void = () => {};
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      const rig = await SpecRig.create(2, { dispatchChunk: 50 }, (store, node) => {
        if (node !== 1) return store;
        return spied(store, async (n, send) => {
          if (n === k) {
            halt();
            await gate;
          }
          return send();
        }).store;
      });
      const spc = await rig.dispatch([
        ...many(200),
        ...many(50, { needs: [1] }),
        ...many(20, { needs: [1], when: 'always' }),
      ]);
      await Promise.race([halted, rig.settle(500)]);
      await cancelSpec(rig.node(2).deps, testProject, spc, signal);
      go();
      const header = await rig.runToEnd(spc);
      expect(header, `at request ${k}`).toMatchObject({
        state: 'cancelled',
        counts: { succeeded: 20, cancelled: 250 },
      });
      expect(Object.keys(await rig.outcomes(spc))).toHaveLength(270);
      await rig.stop();
    }
  });
});

describe('a spec retry', () => {
  it('dispatches the same definitions again, told apart by its own key', async () => {
    const rig = await SpecRig.create(1);
    const { deps, dispatcher } = rig.node(1);
    for (const tasks of [many(1), [{}, { needs: [1] }]]) {
      const spc = await rig.dispatch(tasks, { name: 'again' });
      await expect(retrySpec(deps, dispatcher, testProject, spc)).rejects.toMatchObject({ code: 'wrong-state' });
      await rig.runToEnd(spc);
      const answer = await retrySpec(deps, dispatcher, testProject, spc, 'key');
      expect(answer).toMatchObject({ name: 'again', tasks: tasks.length, existing: false });
      expect(await retrySpec(deps, dispatcher, testProject, spc, 'key')).toMatchObject({
        id: answer.id,
        existing: true,
      });
      const next = answer.id as SpecId;
      expect(await rig.header(next)).toMatchObject({ retryOf: spc });
      expect(await rig.runToEnd(next)).toMatchObject({ state: 'succeeded' });
      await rig.f.store.txn({
        compares: [],
        success: [{ op: 'delete', key: `${rig.f.keys.prefix}idempotency/`, end: `${rig.f.keys.prefix}idempotency0` }],
      });
    }
    await rig.stop();
  });
});

describe('conservation', () => {
  it('is seen to be broken', async () => {
    const rig = await SpecRig.create(1);
    const spc = await rig.dispatch([{}, {}]);
    const key = rig.f.keys.blocked(spc, taskId(spc, 1));
    const value = codecs.blocked.encode({ v: 1 });
    await rig.f.store.txn({ compares: [unchanged(key, '0' as never)], success: [{ op: 'put', key, value }] });
    expect(() => rig.conservation.assert()).toThrow(/has 2 records/);
    expect((await fsck(rig.node(1).deps)).findings).toMatchObject([{ kind: 'task-with-several-records' }]);
  });
});

describe('a file that names a project', () => {
  it('is accepted for that project only', async () => {
    const rig = await SpecRig.create(1);
    const put = (id: string, name: string) =>
      rig.f.store.txn({
        compares: [],
        success: [
          { op: 'put', key: rig.f.keys.project(id as never), value: JSON.stringify({ v: 1, name, createdAt: 0 }) },
        ],
      });
    await put(testProject, 'default');
    await put('prj_01h0000000000000000000zz00', 'other');
    const body = (project: string) => ({
      source: `project: ${project}\ntasks:\n  - ref: a\n    run: x\n`,
      format: 'yaml' as const,
    });
    const { dispatcher } = rig.node(1);
    expect(await dispatcher.dispatch(testProject, body('default'))).toMatchObject({ tasks: 1, existing: false });
    await expect(dispatcher.dispatch(testProject, body('other'))).rejects.toMatchObject({
      code: 'invalid-spec',
      issues: [{ path: '/project' }],
    });
    await expect(dispatcher.dispatch(testProject, body('none'))).rejects.toMatchObject({ code: 'not-found' });
    await rig.stop();
  });
});

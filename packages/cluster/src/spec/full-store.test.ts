/** A store that was full when it made a write refuses it, in doubt: who is told that nothing came of it finds nothing. */
import type { BoiError, SpecDefinition } from '@boi/core';
import type { Batch, MemoryStore, Txn, TxnAnswer } from '@boi/store';
import { expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { allKeys, definition, testProject } from '../testing/fixtures.ts';
import { SpecRig } from '../testing/spec-rig.ts';

const request = (count: number) => {
  const tasks = Array.from({ length: count }, (_, i) => definition({ ref: `t${i + 1}` }));
  const spec: SpecDefinition = { failurePolicy: 'continue', tasks };
  return { project: testProject, spec, digest: 'd1', idempotencyKey: 'k' };
};

/** The n-th write with compares is made, and answered as the adapter answers "database space exceeded" then. */
function fullAt(at: number) {
  let writes = 0;
  return (store: MemoryStore) =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'txn' && name !== 'batch') return value.bind(target);
        return async (write: Txn & Batch, options?: object) => {
          const send = value.bind(target) as (one: Txn & Batch, options?: object) => Promise<TxnAnswer>;
          const answer = await send(write, options);
          if (write.compares.length === 0 || ++writes !== at || answer.outcome !== 'applied') return answer;
          const { compares, failure = [] } = write;
          return { ...(await target.txn({ compares, success: [], failure })), inDoubt: true };
        };
      },
    });
}

const WAYS = [1, 3, 4, 5].flatMap((at) => [{ at, count: 1000 }]);
for (const { at, count } of [...WAYS, { at: 1, count: 1 }, { at: 1, count: 20 }]) {
  test(`a spec of ${count} tasks whose write ${at} met a full store goes on`, async () => {
    const rig = await SpecRig.create(2, {}, (store, n) => (n === 1 ? fullAt(at)(store) : store));
    const dispatching = rig
      .node(1)
      .dispatcher.accept(request(count))
      .then(
        ({ id }) => id,
        ({ code }: BoiError) => code,
      );
    await rig.settle(60_000);
    const [spec] = (await allKeys(rig.f)).filter((key) => key.startsWith('specs/'));
    expect(spec).toBe(`specs/${testProject}/${await dispatching}`);
    const { kv } = await rig.f.store.get(`${rig.f.keys.prefix}${spec}`);
    expect(kv && codecs.spec.decode(kv.key, kv.value)).toMatchObject({ state: 'active', cursor: count });
    await rig.stop();
  });
}

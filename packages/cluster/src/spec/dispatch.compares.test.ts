/** A dispatch whose outcome its caller stops waiting for: it is brought to an end all the same. */
import type { BoiError, SpecId } from '@boi/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { codecs } from '../records.ts';
import { TestCluster, type TestNode } from '../testing/test-cluster.ts';

describe('a dispatch in parts, whose answers are lost for longer than its caller waits', () => {
  let cluster: TestCluster;
  let node: TestNode;

  beforeEach(async () => {
    // The session outlives the fault: nobody else would take the dispatch over.
    cluster = new TestCluster({ sessionTtlMs: 120_000 });
    node = await cluster.join(1, { slots: 1000, script: () => ({ durationMs: 10 }) });
  });

  afterEach(() => cluster.stop());

  const tasks = Array.from({ length: 200 }, (_, i) => ({ ref: `t${i}`, run: 'true' }));
  const source = JSON.stringify({ tasks });

  /** Loses the replies of header puts in this state. */
  function loseReplies(state: string): void {
    const headers = cluster.keys.allSpecs().start;
    node.store.plan = {
      call: (call) =>
        call.method === 'txn' &&
        call.txn.success.some(
          (op) =>
            op.op === 'put' &&
            op.key.startsWith(headers) &&
            codecs.spec.decode(op.key, Buffer.from(op.value)).state === state,
        )
          ? { dropReply: true }
          : undefined,
    };
  }

  test.each(['writing', 'dispatching'])('ends when it was %s', async (state) => {
    loseReplies(state);
    const { defaultProject } = node.node.snapshot().cluster;
    const dispatching = node.node.api.dispatch(defaultProject, { source, format: 'json', idempotencyKey: 'k' });
    const error = await cluster.wait(dispatching.catch((reason: BoiError) => reason));
    expect(error).toMatchObject({ code: 'outcome-unknown' });
    node.store.plan = {};
    await cluster.clock.advance(10_000);
    // The same request again is told what became of the first.
    const again = node.node.api.dispatch(defaultProject, { source, format: 'json', idempotencyKey: 'k' });
    const answer = await cluster.wait(again);
    expect(answer).toMatchObject({ existing: true, tasks: 200 });
    await cluster.untilDone(answer, 30_000);
    await cluster.clock.advance(1_000);
    expect(await cluster.header(answer.id as SpecId)).toMatchObject({ state: 'succeeded' });
  });
});

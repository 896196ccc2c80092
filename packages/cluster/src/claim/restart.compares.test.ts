/** What a node does before its first claim. */
import { type RunningTask, type TaskReport, taskId } from '@boi/core';
import { expect, test } from 'vitest';
import { testSpec } from '../testing/fixtures.ts';
import { TestCluster } from '../testing/test-cluster.ts';
import { VirtualRunner } from '../testing/virtual-runner.ts';

test('nothing is claimed while a process of an earlier life, without an entry, is still ending', async () => {
  const cluster = new TestCluster();
  const { clock } = cluster;
  let left = true;
  let end: (report: TaskReport) => void = () => {};
  const running: RunningTask = {
    done: new Promise((resolve) => {
      end = resolve;
    }),
    cancel: () => {
      clock.timer(3_000, () => {
        left = false;
        end({ outcome: 'cancelled', endedAt: clock.now(), tail: '', logBytes: 0 });
      });
    },
  };
  class Left extends VirtualRunner {
    override list() {
      const stray = { task: taskId(testSpec(9), 1), fence: '1', running };
      return left ? [...super.list(), stray] : super.list();
    }
  }
  const runner = new Left(clock);
  const other = await cluster.join(2, { slots: 1 });
  await cluster.wait(other.node.api.cordon(other.id));
  const spec = await cluster.dispatch({ tasks: [{ ref: 'a', run: 'true' }] });
  await cluster.join(1, { runner });
  expect(left).toBe(false);
  await cluster.untilDone(spec);
  expect(runner.witnesses).toHaveLength(1);
  await cluster.stop();
});

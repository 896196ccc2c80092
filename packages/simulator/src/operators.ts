/** What people do to a cluster, each at a random node: operations of its API, on what there is just now. */
import type { SpecId, TaskId } from '@boi/core';
import type { SeededRandom } from '@boi/core/testing';
import type { Kind } from './kinds.ts';
import type { World } from './world.ts';

export interface OperateOptions {
  readonly world: World;
  readonly random: SeededRandom;
  /** Retries a finished spec as a client does, with a key, until it is accepted. */
  readonly retrySpec: (spec: SpecId) => void;
}

export function operate({ world, random, retrySpec }: OperateOptions): void {
  const { hosts, referee, tally, project } = world;
  const api = random.pick(hosts).node?.api;
  if (api === undefined || project === undefined) return;
  const about = random.pick(hosts).id;
  const specs = [...referee.specs.keys()] as SpecId[];
  const open = specs.filter((spec) => referee.specs.get(spec)?.endedAt === undefined);
  const ended = specs.filter((spec) => referee.specs.get(spec)?.endedAt !== undefined);
  const one = <T>(of: readonly T[], then: (item: T) => Promise<unknown> | undefined) =>
    of.length === 0 ? undefined : then(random.pick(of));
  const does = (kind: Kind, answer: () => Promise<unknown> | undefined): Promise<unknown> | undefined => {
    const asked = answer();
    if (asked !== undefined) tally.add(kind);
    return asked;
  };
  const cancelTask = (task: TaskId) => {
    referee.asked(task);
    return api.cancelTask(project, task);
  };
  const cancelSpec = (spec: SpecId) => {
    referee.asked(spec);
    return api.cancelSpec(project, spec);
  };
  const twice = random.next() < 0.4;
  const again = <T>(kind: Kind, ask: (of: T) => Promise<unknown>, of: T) => {
    if (!twice) return ask(of);
    tally.add(kind);
    return ask(of).then(() => ask(of));
  };
  const acts: readonly (() => Promise<unknown> | undefined)[] = [
    () => does('drain', () => api.drain(about, random.int(6_000))),
    () => does('cordon', () => api.cordon(about)),
    () => does('uncordon', () => api.uncordon(about)),
    () => does('uncordon', () => api.uncordon(about)),
    () => does('spec cancel', () => one(open, (spec) => again('spec cancel again', cancelSpec, spec))),
    () => does('task cancel', () => one(referee.tasks(false), (task) => again('task cancel again', cancelTask, task))),
    () => does('task cancel', () => one(referee.tasks(true), (task) => again('task cancel again', cancelTask, task))),
    () => does('task retry', () => one(referee.endedTasks, (task) => api.retryTask(project, task))),
    () => does('task retry', () => one(referee.endedTasks, (task) => api.retryTask(project, task))),
    () =>
      does('spec retry', () =>
        one(ended, (spec) => {
          retrySpec(spec);
          return Promise.resolve();
        }),
      ),
    () =>
      does('task kill', () =>
        one(referee.tasks(true), (task) => {
          referee.killed(task);
          return api.killTask(project, task);
        }),
      ),
    () => does('node removed', () => api.removeNode(about)),
    () => {
      const paused = random.next() < 0.4;
      return paused ? does('pause of the cluster', () => api.setPaused(true)) : api.setPaused(false);
    },
    () => api.setPaused(false),
  ];
  const answer = random.pick(acts)();
  if (answer !== undefined) world.call(answer);
}

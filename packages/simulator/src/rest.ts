/**
 * The end of a run: everything is repaired, and all work must come to its end. Every request became one spec, every task of
 * every spec has its result, nothing is left in a queue, no slot of a concurrency key is held, finished specs are archived
 * whole, and the product's own audit finds nothing.
 */
import type { ClusterApi } from '@boi/cluster';
import { BoiError, type SpecId, sleep } from '@boi/core';
import { checkAnnounced, OUTCOMES_WITHIN_MS, undecided } from './announced.ts';
import type { Host } from './host.ts';
import type { World } from './world.ts';

const UP_WITHIN_MS = 120_000;
const REST_WITHIN_MS = 20 * 60_000;
const ASK_WITHIN_MS = 60_000;
/** What an operator asked before the repair has been applied by then, or never will be: requests are late by seconds. */
const LATE_OPERATORS_MS = 30_000;
/** Claims that came too late, and what is said to those who made them. */
const AFTERMATH_MS = 15_000;
/** Clocks may be two minutes apart; looked at four times per time it lingers. */
const ARCHIVE_SLACK_MS = 10 * 60_000;
/** Idle, drained, removed, and failures of long ago forgotten. */
const GONE_WITHIN_MS = 5 * 60_000;
/** With a longer one nothing is archived in a run. */
const LINGER_MAX_MS = 60_000;

export interface Requests {
  /** Spec that each request became, by its number. */
  readonly accepted: ReadonlyMap<number, string>;
  readonly asked: () => number;
  readonly pending: () => number;
}

export async function comeToRest(world: World, requests: Requests): Promise<void> {
  const { referee, hosts, clock, config } = world;
  referee.trace('everything is repaired');
  if (world.cloud !== undefined) world.cloud.repaired = true;
  for (const host of hosts) {
    host.weather('fair');
    host.heal();
    host.thaw();
    host.disk.state = 'sound';
  }
  const start = () => {
    for (const host of hosts) if (host.state === 'off') void host.start('fair');
    return hosts.every(({ state }) => state === 'up');
  };
  await until(world, start, UP_WITHIN_MS, 'all nodes up again');
  await undo(world);
  const atRest = () => {
    // A task may have taken its node with it: somebody starts it again.
    start();
    if (requests.pending() > 0 || referee.entries.length > 0) return false;
    return [...referee.specs.values()].every(({ endedAt }) => endedAt !== undefined);
  };
  await clock
    .until(() => atRest() || referee.violations.length > 0, LATE_OPERATORS_MS, 'rest')
    .catch(() => undo(world));
  await until(world, atRest, REST_WITHIN_MS, 'rest', () => unrest(world, requests));
  if (referee.violations.length > 0) return;
  checkSpecs(world, requests);
  await until(world, start, UP_WITHIN_MS, 'all nodes up at last');
  await clock.advance(AFTERMATH_MS);
  for (const lock of referee.locksHeld) referee.violate(`${lock} is held, and nothing runs`);
  const { lingerMs = 0 } = config;
  if (lingerMs <= LINGER_MAX_MS) {
    const archived = () => [...referee.specs.values()].every((header) => header.archived !== undefined);
    await until(world, archived, lingerMs + ARCHIVE_SLACK_MS, 'all specs archived');
  }
  await nothingMade(world);
  const pending = () => undecided(world);
  await until(
    world,
    () => pending().length === 0,
    OUTCOMES_WITHIN_MS,
    'outcomes of all events',
    () => pending().join(),
  );
  await checkAnnounced(world);
  await audit(world);
}

/** Nobody needs the nodes that were made any more. */
async function nothingMade(world: World): Promise<void> {
  const { cloud, server, referee } = world;
  if (cloud === undefined) return;
  const left = () =>
    [referee.keys.provisions(), referee.keys.allProvisioned()].flatMap((range) =>
      server.range({ ...range, keysOnly: true }).kvs.map(({ key }) => key),
    );
  const gone = () => cloud.live.length === 0 && left().length === 0;
  await until(world, gone, GONE_WITHIN_MS, 'all made nodes gone', () => [...cloud.live, ...left()].join(', '));
}

/** Violations end the wait as well. */
async function until(world: World, done: () => boolean, limitMs: number, what: string, more = () => ''): Promise<void> {
  const { clock, referee } = world;
  try {
    await clock.until(() => done() || referee.violations.length > 0, limitMs, what);
  } catch (error) {
    referee.violate(`${(error as Error).message}; ${more()}`);
  }
}

function checkSpecs({ referee }: World, { accepted, asked }: Requests): void {
  const specs = new Set(accepted.values());
  if (specs.size !== asked()) referee.violate(`${asked()} requests became ${specs.size} specs`);
  for (const id of referee.specs.keys()) if (!specs.has(id)) referee.violate(`${id} was dispatched, nobody was told`);
  for (const id of specs) {
    const header = referee.specs.get(id);
    if (header === undefined) referee.violate(`${id} was accepted and is gone`);
    else if (header.tasks !== referee.ended(id as SpecId)) {
      referee.violate(`${id}: ${referee.ended(id as SpecId)} results of ${header.tasks} tasks`);
    }
  }
}

/** What operators did. */
async function undo(world: World): Promise<void> {
  await ask(world, 'unpause', (api) => api.setPaused(false));
  // One that was made may be removed at any time.
  const uncordon = async (api: ClusterApi, host: Host) =>
    world.hosts.includes(host) ? api.uncordon(host.id) : undefined;
  for (const host of [...world.hosts]) await ask(world, `uncordon ${host.id}`, (api) => uncordon(api, host));
}

async function audit(world: World): Promise<void> {
  const report = await ask(world, 'fsck', (api) => api.fsck());
  for (const finding of report?.findings ?? []) world.referee.violate(`fsck: ${JSON.stringify(finding)}`);
}

/**
 * An operation that must succeed, now that nothing is broken any more; asked again after an error of the store, and of another
 * node when a task takes the one that was asked with it.
 */
async function ask<T>(world: World, what: string, send: (api: ClusterApi) => Promise<T>): Promise<T | undefined> {
  const { clock, hosts, referee } = world;
  let answer: { readonly value: T } | undefined;
  let failed: unknown;
  const asking = async () => {
    while (answer === undefined) {
      // Nobody finds the settings of a node while it is away.
      for (const host of hosts) if (host.state === 'off') void host.start('fair');
      const host = hosts.find(({ believesLive }) => believesLive);
      const node = host?.node;
      try {
        if (host === undefined || node === undefined) await sleep(clock, 500);
        else answer = await Promise.race([send(node.api).then((value) => ({ value })), gone(world, host, node)]);
      } catch (error) {
        failed = error;
        // A node whose session has just been lost is not found until it is back.
        if (!(error instanceof BoiError) || (error.status !== 503 && error.code !== 'not-found')) break;
        await sleep(clock, 500);
      }
    }
  };
  let over = false;
  void asking().finally(() => {
    over = true;
  });
  await clock
    .until(() => over || referee.violations.length > 0, ASK_WITHIN_MS, what)
    .catch((error: unknown) => {
      failed ??= error;
    });
  if (answer === undefined && referee.violations.length === 0) {
    referee.violate(`${what} failed: ${(failed as Error | undefined)?.stack ?? 'no answer'}`);
  }
  return (answer as { readonly value: T } | undefined)?.value;
}

/** Resolves when this life of the host is over: its process answers nothing any more. */
async function gone({ clock }: World, host: Host, node: Host['node']): Promise<undefined> {
  while (host.node === node) await sleep(clock, 500);
  return undefined;
}

function unrest({ referee, hosts }: World, { pending }: Requests): string {
  const open = [...referee.specs].filter(([, { endedAt }]) => endedAt === undefined);
  const specs = open.map(([id, header]) => `${id} ${header.state} at ${header.cursor} of ${header.tasks}`);
  const states = hosts.map(({ n, state, node, frozen }) => {
    const status = node?.status();
    return `node-${n} ${state}${frozen ? ' frozen' : ''} ${status === undefined ? '' : JSON.stringify(status)}`;
  });
  return [`${pending()} dispatches unanswered`, ...specs, ...referee.entries, ...states].join('\n  ');
}

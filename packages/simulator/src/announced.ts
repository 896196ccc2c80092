/**
 * Every event that a node announced before a transaction has an outcome, unless its process died; and what was said of it is not
 * the opposite of what the store shows in the end, however often the announced change was sent, lost, late or doubled.
 */
import { settleIntent } from '@boi/cluster';
import type { IntendedEvent } from '@boi/core';
import type { World } from './world.ts';

/** Of those that had no answer when a session ended the store is asked after half a minute. */
export const OUTCOMES_WITHIN_MS = 3 * 60_000;

/** Announced by processes that live, and not said yet what became of it. */
export function undecided({ hosts }: World): string[] {
  return hosts.flatMap(({ state, n, ports }) =>
    state === 'up' ? [...(ports.at(-1)?.open.values() ?? [])].map(({ event }) => `${event.kind} of ${n}`) : [],
  );
}

export async function checkAnnounced({ hosts: present, retired, server, referee }: World): Promise<void> {
  const reader = { store: server.connect(), keys: referee.keys };
  // A host that is gone has told things as well: of two nodes that saw to the same task it may be the one that did.
  const hosts = [...present, ...retired];
  const all = hosts.flatMap(({ n, ports }) => ports.flatMap(({ resolved }) => resolved.map((one) => ({ n, ...one }))));
  // Told (a late copy of a refused claim is told without an intent), not known, or left open by a process that died: its next life asks
  // the store, and tells.
  const told = new Set([
    ...hosts.flatMap(({ ports }) =>
      ports.flatMap(({ events }) => events.map(({ kind, task, spec }) => `${kind} ${task ?? spec}`)),
    ),
    ...all.filter(({ outcome }) => outcome === 'unknown').map(({ intended }) => subjectOf(intended)),
    ...hosts.flatMap(({ ports }) => ports.flatMap(({ open }) => [...open.values()].map(subjectOf))),
  ]);
  for (const { n, intended, outcome } of all) {
    const { outcome: found } = await settleIntent(reader, intended);
    if (outcome === found || outcome === 'unknown' || found === 'unknown') continue;
    // The header tells that a task was dispatched, not by whom: by another node that has died since, perhaps.
    if (outcome === 'did-not-happen' && intended.event.kind === 'task.dispatched') continue;
    // Refused and tried again, or done by another node, or by an earlier request whose answer never came: then that was told.
    if (outcome === 'did-not-happen' && told.has(subjectOf(intended))) continue;
    const { kind, payload } = intended.event;
    referee.violate(`${kind} of node ${n} was told as ${outcome}, the store says ${found}: ${JSON.stringify(payload)}`);
  }
  await reader.store.close();
}

function subjectOf({ event: { kind, payload } }: IntendedEvent): string {
  const { task, spec, request } = payload as Readonly<Record<'task' | 'spec' | 'request', string | undefined>>;
  return `${kind} ${task ?? spec ?? request}`;
}

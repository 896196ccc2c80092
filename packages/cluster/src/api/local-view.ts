/** What one node holds by itself: the claims in its hands and the results on its disk. Nothing here asks the store. */
import type { LocalView } from '@boi/core';
import type { StoreHealth } from '../base/store-health.ts';
import type { HeldTasks } from '../claim/held.ts';
import type { NodeIdentity, ResultBuffer, SessionState } from '../node-types.ts';
import type { FallbackLine, LocalFallback } from './local-fallback.ts';

export interface LocalParts {
  readonly identity: NodeIdentity;
  readonly held: HeldTasks;
  readonly buffer: ResultBuffer;
  readonly health: StoreHealth;
  readonly session: { readonly state: SessionState };
}

export async function localView(parts: LocalParts, fallback: LocalFallback): Promise<LocalView> {
  const { identity, held, buffer, health, session } = parts;
  const { awayMs } = health;
  return {
    node: { id: identity.id, ...(identity.name === undefined ? {} : { name: identity.name }) },
    version: identity.version,
    session: session.state,
    ...(awayMs === undefined ? {} : { storeAwayMs: Math.round(awayMs) }),
    ...(fallback.since === undefined ? {} : { fallbackSince: fallback.since }),
    tasks: held.all().map(({ task, project, phase, entry, fence }) => ({
      id: task,
      project,
      phase,
      attempt: entry.attempt,
      fence,
    })),
    results: (await buffer.all()).map(({ task, fence, attempt, report }) => ({
      task,
      fence,
      attempt,
      outcome: report.outcome,
      ...(report.exitCode === undefined ? {} : { exitCode: report.exitCode }),
      endedAt: report.endedAt,
    })),
  };
}

/** The same for the file of local fallback: all a person or a script needs to carry on elsewhere. */
export async function heldLines({ held, buffer }: LocalParts): Promise<readonly FallbackLine[]> {
  const tasks = held.all().map(({ task, spec, project, phase, entry, fence, nonce }) => ({
    kind: 'task',
    task,
    spec,
    project,
    phase,
    attempt: entry.attempt,
    delivery: entry.deliveries,
    fence,
    nonce,
  }));
  return [...tasks, ...(await buffer.all()).map((result) => ({ kind: 'result', ...result }))];
}

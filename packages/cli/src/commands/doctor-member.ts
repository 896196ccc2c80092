/**
 * What `doctor` finds about the node at one address: whether it is a member that takes work, as it says itself without asking
 * the store. So it is told apart from an address that is wrong, while etcd is away or was emptied.
 */
import { displayName } from '@boi/core/names';
import { asFailure } from '../fail.ts';
import { elapsed } from '../output/time.ts';
import type { Session } from '../session.ts';
import type { Finding } from './doctor.ts';

/** What it answers to others then: it is there, and has no store or no session to answer with. */
const ANSWERS_WITHOUT_STORE = new Set(['store-unreachable', 'unavailable']);

/** Whether the node was reached although it could not answer. */
export function answersWithoutStore(error: unknown): boolean {
  return ANSWERS_WITHOUT_STORE.has(asFailure(error)?.code ?? '');
}

/** Nothing, where all is well or the role does not allow the question. */
export async function checkMember(session: Session, origin: string): Promise<Finding[]> {
  const client = session.connect([origin]);
  try {
    const { node, session: state, storeAwayMs, fallbackSince } = await client.call('local.show', {});
    const name = displayName(node.name, node.id);
    const look = `boi-node cluster status --local --endpoints ${origin}`;
    if (storeAwayMs !== undefined) {
      const seconds = Math.round(storeAwayMs / 1000);
      const finding = `${name} has not reached the store for ${seconds} s; what runs goes on`;
      return [{ check: 'store', level: 'error', finding, next: 'etcdctl endpoint health, on that host' }];
    }
    if (fallbackSince !== undefined) {
      const finding = `${name} has been in local fallback for ${elapsed(session.io.now() - fallbackSince)}: it takes no work`;
      const next = `boi-node cluster local-fallback --off --endpoints ${origin}`;
      return [{ check: 'nodes', level: 'warning', finding, next }];
    }
    if (state === 'live') return [];
    const finding = `${name} has no session (${state}): it takes no work, and its log says why`;
    return [{ check: 'nodes', level: 'error', finding, next: look }];
  } catch (error) {
    if (asFailure(error) === undefined) throw error;
    return [];
  } finally {
    client.close();
  }
}

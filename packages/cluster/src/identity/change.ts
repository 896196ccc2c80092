/**
 * One change of identity: read, decide, one transaction; refused: the same again with what is there now. An attempt must
 * recognise its own effect, because a transaction whose answer was lost is found refused when it is sent again.
 */
import { BoiError } from '@boi/core';
import { ABSENT, absent, type Compare, type Revision, type Txn, type TxnAnswer, unchanged } from '@boi/store';
import { settleTxn } from '../base/settle.ts';
import { appliedOrNot, type Bringing } from '../events/events.ts';
import type { Codec } from '../records.ts';
import { IDENTITY_LIMIT_MS } from './api-types.ts';
import type { IdentityDeps } from './deps.ts';

/** Refusals in a row that are taken for a race; each means that somebody else's change was applied. */
const ATTEMPTS_MAX = 20;

export type Applied = Extract<TxnAnswer, { outcome: 'applied' }>;

export type Attempt<T> =
  /** Nothing to write: it is so already. */
  { readonly done: T } | { readonly txn: Txn; readonly applied: (answer: Applied) => T; readonly bringing?: Bringing };

/** Throws what the attempt throws, `conflict` after too many races, `outcome-unknown` after too long. */
export async function change<T>(deps: IdentityDeps, attempt: () => Promise<Attempt<T>>): Promise<T> {
  return limited(deps, async (signal) => {
    for (let n = 0; n < ATTEMPTS_MAX; n++) {
      const made = await attempt();
      if ('done' in made) return made.done;
      const txn = once(deps, made.txn);
      const send = () => settleTxn(deps, signal, txn);
      const { bringing } = made;
      const answer =
        deps.events === undefined || bringing === undefined
          ? await send()
          : await deps.events.bringing({ ...bringing, options: { signal, urgent: true } }, send, appliedOrNot);
      if (answer.outcome === 'applied') return made.applied(answer);
    }
    throw new BoiError('conflict', 'others kept changing the same records; look, and try again');
  });
}

/** Its line stays in the audit: a copy of the request that arrives when what it did has been undone is refused by that. */
function once({ keys }: IdentityDeps, txn: Txn): Txn {
  const lines = txn.success.filter(({ op, key }) => op === 'put' && key.startsWith(keys.audits().start));
  return { ...txn, compares: [...txn.compares, ...lines.map(({ key }) => absent(key))] };
}

/** Runs `work` with a signal that ends it after {@link IDENTITY_LIMIT_MS}. */
export async function limited<T>(
  { clock }: Pick<IdentityDeps, 'clock'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const abort = new AbortController();
  const timer = clock.timer(IDENTITY_LIMIT_MS, () => {
    const message = 'the store fell silent after the request was sent; look before you repeat it';
    abort.abort(new BoiError('outcome-unknown', message, { retryAfterS: 2 }));
  });
  try {
    return await work(abort.signal);
  } finally {
    timer.cancel();
  }
}

/** A record as it was read, or that it was not there. */
export interface Found<T> {
  readonly key: string;
  readonly record: T | undefined;
  /** `ABSENT` when it was not there. */
  readonly modRevision: Revision;
}

export async function find<T>({ store }: Pick<IdentityDeps, 'store'>, key: string, codec: Codec<T>): Promise<Found<T>> {
  const { kv } = await store.get(key);
  return kv === undefined
    ? { key, record: undefined, modRevision: ABSENT }
    : { key, record: codec.decode(kv.key, kv.value), modRevision: kv.modRevision };
}

/** Still what was read, or still not there. */
export function asFound({ key, modRevision }: Found<unknown>): Compare {
  return unchanged(key, modRevision);
}

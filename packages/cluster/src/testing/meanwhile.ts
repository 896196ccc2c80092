/** A connection beside which, right before one of its writes is sent, something else happens. */
import type { MemoryStore, Txn } from '@boi/store';

type Write = Pick<Txn, 'compares'> & { readonly success?: Txn['success']; readonly items?: readonly Txn[] };

/** `first` runs once, before the first write that `which` is true for; default any transaction with compares, or batch. */
export function meanwhile(
  store: MemoryStore,
  first: () => Promise<unknown>,
  which: (write: Write) => boolean = ({ compares, items }) => compares.length > 0 || items !== undefined,
): MemoryStore {
  let done = false;
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const call = value.bind(target) as (write: Write, ...rest: unknown[]) => Promise<unknown>;
      if (name !== 'txn' && name !== 'batch') return call;
      return async (write: Write, ...rest: unknown[]) => {
        if (!done && which(write)) {
          done = true;
          await first();
        }
        return call(write, ...rest);
      };
    },
  });
}

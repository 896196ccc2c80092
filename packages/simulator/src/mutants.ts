/**
 * Mutations of the protocol that the simulator must find: each takes one of its compares or rules away. An edit replaces a
 * snippet that must be in its file exactly once, so that a mutant never silently stops being one. Used by mutants.test.ts.
 */

export interface Edit {
  /** In packages/cluster/src. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** What is taken away. */
  readonly name: string;
  readonly edits: readonly Edit[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'claim compare removed',
    edits: [
      {
        file: 'claim/claim-txn.ts',
        from: 'const compares = [unchanged(key, stored.modRevision)];',
        to: 'const compares = [unchanged(key, stored.modRevision)].slice(1);',
      },
    ],
  },
  {
    name: 'fence compare removed from the commit',
    edits: [
      {
        file: 'commit/prepare-commit.ts',
        from: '[unchanged(held.key, held.revision), absent(resultKey)]',
        to: '[absent(resultKey)]',
      },
    ],
  },
  {
    name: 'retry re-queued outside the commit transaction',
    edits: [
      {
        file: 'commit/requeue.ts',
        from: 'return { compares: [...txn.compares, absent(result)], success: txn.success, failure };',
        to: `const puts = (txn.success ?? []).filter(({ op }) => op === 'put');
             ctx.clock.timer(50, () => void ctx.store.txn({ compares: [], success: puts }));
             const success = (txn.success ?? []).filter(({ op }) => op !== 'put');
             return { compares: [...txn.compares, absent(result)], success, failure };`,
      },
    ],
  },
  {
    name: 'unknown outcome taken as refused',
    edits: [
      {
        file: 'base/settle.ts',
        from: "if (answer.outcome !== 'unknown') return { ...(answer as Exclude<A, Unknown>), resent };",
        to: "return (answer.outcome === 'unknown' ? { outcome: 'refused', answers: [], revision: '0', resent } : { ...answer, resent }) as never;",
      },
    ],
  },
  {
    name: 'registering over a live record',
    edits: [
      { file: 'membership/register.ts', from: 'absent(key), unchanged(keys.cluster()', to: 'unchanged(keys.cluster()' },
      { file: 'membership/register.ts', from: 'if (kv === undefined) return;', to: 'if (kv !== null) return;' },
    ],
  },
  {
    name: 'self-fence at twice the time to live',
    edits: [
      {
        file: 'membership/deadlines.ts',
        from: 'const lastsMs = ttlMs - Math.min(',
        to: 'const lastsMs = 2 * ttlMs - Math.min(',
      },
    ],
  },
];

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
  /** Of the seeds that every check runs, one that has found it: tried before the others. */
  readonly seed: number;
  readonly edits: readonly Edit[];
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'another node asked for before what a failed request left is removed',
    seed: 12,
    edits: [
      {
        file: 'provision/plan.ts',
        from: "if (attempt?.removal === 'done') return { do: 'close' };",
        to: "return { do: 'close' };",
      },
    ],
  },
  {
    name: 'claim compare removed',
    seed: 1,
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
    seed: 8,
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
    seed: 1,
    edits: [
      {
        file: 'commit/requeue.ts',
        from: 'return { txn: { compares: [...compares, absent(result)], success, failure }, movedTo };',
        to: `const puts = success.filter(({ op }) => op === 'put');
             ctx.clock.timer(50, () => void ctx.store.txn({ compares: [], success: puts }));
             const rest = success.filter(({ op }) => op !== 'put');
             return { txn: { compares: [...compares, absent(result)], success: rest, failure }, movedTo };`,
      },
    ],
  },
  {
    name: 'unknown outcome taken as refused',
    seed: 4,
    edits: [
      {
        file: 'base/settle.ts',
        from: "if (answer.outcome !== 'unknown') {",
        to: "if (answer.outcome === 'unknown') return { outcome: 'refused', answers: [], revision: '0', resent } as never;\n    else {",
      },
    ],
  },
  {
    name: 'registering over a live record',
    seed: 1,
    edits: [
      { file: 'membership/register.ts', from: 'absent(key), unchanged(keys.cluster()', to: 'unchanged(keys.cluster()' },
      { file: 'membership/register.ts', from: 'if (kv === undefined) return;', to: 'if (kv !== null) return;' },
    ],
  },
  {
    name: 'self-fence at twice the time to live',
    seed: 1,
    edits: [
      {
        file: 'membership/deadlines.ts',
        from: 'const lastsMs = ttlMs - Math.min(',
        to: 'const lastsMs = 2 * ttlMs - Math.min(',
      },
    ],
  },
  {
    name: 'adopter without its compare of the dead record',
    seed: 1,
    edits: [
      { file: 'takeover/adopt.ts', from: 'isDead(keys, dead), signal)', to: '[], signal)' },
      { file: 'takeover/adopt.ts', from: '{ compares: isDead(ctx.keys, dead), items }', to: '{ compares: [], items }' },
    ],
  },
  {
    name: 'put into a queue without the compare of the target',
    seed: 1,
    edits: [{ file: 'placement/placement.ts', from: '?? [unchanged(keys.node(id), modRevision)];', to: '?? [];' }],
  },
  {
    name: 'header compare removed from the coordinator',
    seed: 1,
    edits: [
      {
        file: 'spec/header-fence.ts',
        from: 'const compares = [unchanged(this.key, header.modRevision)];',
        to: 'const compares = [];',
      },
    ],
  },
  {
    name: 'unknown outcome read back instead of sent again',
    seed: 13,
    edits: [
      {
        file: 'base/settle.ts',
        from: 'return settle(ctx, signal, () => ctx.store.txn(txn, options));',
        to: `return settle(ctx, signal, async () => {
               const answer = await ctx.store.txn(txn, options);
               if (answer.outcome !== 'unknown') return answer;
               const back = await ctx.store.txn({ compares: [], success: txn.failure ?? [] }, options);
               return back.outcome === 'unknown' ? back : { ...back, outcome: 'refused' };
             }) as never;`,
      },
      {
        file: 'base/settle.ts',
        from: 'return settle(ctx, signal, () => ctx.store.batch(batch, options));',
        to: `return settle(ctx, signal, async () => {
               const answer = await ctx.store.batch(batch, options);
               if (answer.outcome !== 'unknown') return answer;
               const reads = batch.items.map(({ failure = [] }) => ({ compares: [], success: failure }));
               const back = await ctx.store.batch({ compares: [], items: reads }, options);
               if (back.outcome !== 'applied') return back;
               return { ...back, items: back.items.map((item) => ({ ...item, outcome: 'refused' })) };
             }) as never;`,
      },
    ],
  },
  {
    name: 'cancel mark put over whatever claim there is',
    seed: 96,
    edits: [
      {
        file: 'spec/release.ts',
        from: `compares: [unchanged(entry.key, entry.modRevision)],
    success: [{ op: 'put'`,
        to: `compares: [exists(entry.key)],
    success: [{ op: 'put'`,
      },
    ],
  },
  {
    name: 'newest revision of the entry taken for the own whatever nonce it carries',
    seed: 188,
    edits: [
      {
        file: 'claim/run.ts',
        from: 'if (after?.record.claim?.nonce === held.nonce) {',
        to: 'if (after?.record.claim !== undefined) {',
      },
      {
        file: 'commit/commit.ts',
        from: 'if (entry?.record.claim?.nonce === held.nonce) {',
        to: 'if (entry?.record.claim !== undefined) {',
      },
      {
        file: 'commit/kept-results.ts',
        from: 'entry?.record.claim?.nonce === nonce ? entry',
        to: 'entry?.record.claim !== undefined ? entry',
      },
    ],
  },
  {
    name: 'own results flushed after claiming anew',
    seed: 1,
    edits: [
      { file: 'claim/restart.ts', from: 'await committer.flush();', to: '' },
      {
        file: 'node.ts',
        from: 'this.#ready = epoch;',
        to: `this.#ready = epoch;
             this.#ctx.clock.timer(200, () => void this.#committer.flush().catch(() => undefined));`,
      },
    ],
  },
];

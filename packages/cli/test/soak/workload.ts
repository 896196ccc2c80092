/**
 * What a soak hands in: specs of every kind, drawn from a seed. Each task appends to the witness file, one short line per
 * effect, `word task attempt fence`; `begin` and `end` enclose its work. What must hold of the lines of a kind is in verdict.ts.
 */
import type { SeededRandom } from '@boi/core/testing';
import type { Witness } from '../support/witness.ts';

export type Kind = 'plain' | 'single' | 'graph' | 'locked' | 'exclusive' | 'retried' | 'failing' | 'large';

export interface Planned {
  readonly kind: Kind;
  readonly tasks: number;
  readonly spec: { readonly tasks: readonly PlannedTask[]; readonly [field: string]: unknown };
}

export interface PlannedTask {
  readonly ref: string;
  readonly count?: number;
  readonly needs?: readonly string[];
  readonly [field: string]: unknown;
}

/** Tasks at once, across the cluster, that hold the key. */
export const KEY_LIMIT = 3;

/** Their shares, in tasks rather than in specs, follow from the sizes below. */
const KINDS: readonly Kind[] = [
  'plain',
  'plain',
  'plain',
  'single',
  'single',
  'single',
  'graph',
  'graph',
  'locked',
  'exclusive',
  'exclusive',
  'retried',
  'failing',
  'large',
];

export class Workload {
  readonly #random: SeededRandom;
  readonly #witness: Witness;
  readonly #largest: number;
  #made = 0;

  /** Specs of so many tasks in all: what is large among them depends on it. */
  constructor(random: SeededRandom, witness: Witness, tasks: number) {
    this.#random = random;
    this.#witness = witness;
    this.#largest = Math.min(2_000, Math.max(60, Math.round(tasks / 40)));
  }

  /** The next spec, of at most so many tasks. */
  next(tasksMax: number): Planned {
    this.#made++;
    const kind = tasksMax < 30 ? 'single' : this.#random.pick(KINDS);
    const tasks = this.#tasks(kind, tasksMax);
    const count = tasks.reduce((sum, task) => sum + (task.count ?? 1), 0);
    const policy = kind === 'failing' ? { 'failure-policy': 'continue' } : {};
    return { kind, tasks: count, spec: { name: `soak-${this.#made}-${kind}`, ...policy, tasks } };
  }

  #between(low: number, high: number): number {
    return low + this.#random.int(high - low + 1);
  }

  #tasks(kind: Kind, tasksMax: number): PlannedTask[] {
    const says = (word: string) => this.#witness.says(word);
    const work = (seconds = this.#random.pick(['', '', 'sleep 0.05; ', 'sleep 0.2; ', 'sleep 1; '])) =>
      `${says('begin')}; ${seconds}${says('end')}`;
    const upTo = (high: number) => Math.min(high, tasksMax);
    switch (kind) {
      case 'single':
        return [{ ref: 'a', run: work(), grace: '500ms' }];
      case 'plain':
        return [
          { ref: 'a', count: this.#between(20, upTo(Math.min(200, this.#largest))), run: work(''), grace: '500ms' },
        ];
      case 'large':
        return [{ ref: 'a', count: this.#between(20, upTo(this.#largest)), run: work(''), grace: '500ms' }];
      case 'graph': {
        const width = this.#between(2, Math.min(12, Math.floor(tasksMax / 3)));
        return [
          { ref: 'a', count: width, run: work(), grace: '500ms' },
          { ref: 'b', count: width, needs: ['a'], run: work(), grace: '500ms' },
          { ref: 'c', needs: ['a', 'b'], run: work(), grace: '500ms' },
          { ref: 'd', needs: ['c'], when: 'always', run: work(''), grace: '500ms' },
        ];
      }
      case 'locked': {
        const key = { name: 'licence', limit: KEY_LIMIT };
        return [{ ref: 'a', count: this.#between(5, upTo(25)), key, run: work('sleep 0.05; '), grace: '500ms' }];
      }
      case 'exclusive': {
        const alive = `for i in 1 2 3 4 5 6 7 8; do sleep 0.05; ${says('alive')}; done`;
        const run = `${says('begin')}; ${alive}; ${says('end')}`;
        return [{ ref: 'a', count: this.#between(2, upTo(12)), exclusive: true, run, grace: '500ms' }];
      }
      case 'retried': {
        const run = `${says('begin')}; [ $BOI_ATTEMPT -ge 2 ] || exit 75; ${says('end')}`;
        const retries = { max: 3, backoff: '200ms', 'on-exit-codes': [75] };
        return [{ ref: 'a', count: this.#between(3, upTo(20)), retries, run, grace: '500ms' }];
      }
      case 'failing':
        return [
          { ref: 'bad', count: 3, run: `${says('begin')}; ${says('failed')}; exit 3` },
          { ref: 'never', needs: ['bad'], run: work('') },
          { ref: 'cleanup', needs: ['bad'], when: 'failure', run: work('') },
          { ref: 'last', needs: ['never', 'cleanup'], when: 'always', run: work('') },
        ];
    }
  }
}

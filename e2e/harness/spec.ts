/** Specs as the tests dispatch them, and the shapes of views they read. */

export interface TaskView {
  readonly id: string;
  readonly ref: string;
  readonly state: string;
  readonly attempt: number;
  readonly fence?: string;
  readonly node?: { readonly id: string; readonly name?: string };
  readonly why?: { readonly summary: string };
  readonly claimedAt?: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

export interface SpecView {
  readonly id: string;
  readonly state: string;
  readonly counts: Readonly<Record<'succeeded' | 'failed' | 'cancelled' | 'skipped', number>>;
}

export interface NodeView {
  readonly id: string;
  readonly name?: string;
  readonly state: string;
  readonly epoch?: string;
  readonly busy?: number;
}

/** A shell command whose effect is a line `word task attempt fence node` in `/effects/FILE`. */
export function effect(word: string, file = 'effects'): string {
  return `echo "${word} $BOI_TASK_ID $BOI_ATTEMPT $BOI_FENCE $BOI_NODE_ID" >> /effects/${file}`;
}

/** A shell command that ends when there is a file of that name in the shared directory. */
export function fileIs(name: string): string {
  return `until [ -e /effects/${name} ]; do sleep 0.1; done`;
}

export interface Effect {
  readonly word: string;
  readonly task: string;
  readonly attempt: number;
  readonly fence: string;
  readonly node: string;
}

export function readEffect(line: string): Effect {
  const [word = '', task = '', attempt = '', fence = '', node = ''] = line.split(' ');
  return { word, task, attempt: Number(attempt), fence, node };
}

/** Between the ends of two tasks that followed each other. */
export function longestPauseMs(tasks: readonly TaskView[]): number {
  const ends = tasks.map(({ endedAt = 0 }) => endedAt).toSorted((a, b) => a - b);
  return Math.max(...ends.slice(1).map((end, i) => end - (ends[i] ?? end)));
}

/** Of each ended task, how many effects were made under the fence of its result: one, however often it had to be run. */
export function committedEffects(tasks: readonly TaskView[], effects: readonly Effect[]): number[] {
  return tasks.map(({ id, fence }) => effects.filter((e) => e.task === id && e.fence === fence).length);
}

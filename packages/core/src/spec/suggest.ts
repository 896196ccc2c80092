/** "Did you mean": the nearest of the known words, by spelling or because other tools call it so. */

const SYNONYMS: Readonly<Record<string, string>> = {
  cmd: 'run',
  command: 'run',
  script: 'run',
  steps: 'tasks',
  jobs: 'tasks',
  id: 'ref',
  name: 'ref',
  dependson: 'needs',
  dependencies: 'needs',
  after: 'needs',
  environment: 'env',
  variables: 'vars',
  constraints: 'requires',
  runson: 'requires',
  cwd: 'workdir',
  dir: 'workdir',
  workingdirectory: 'workdir',
  retry: 'retries',
  attempts: 'retries',
  replicas: 'count',
  if: 'when',
  parallel: 'concurrency',
  maxparallel: 'concurrency',
  lock: 'key',
  onfailure: 'failure-policy',
};

/** The known word that `word` most likely stands for. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = normalize(word);
  const same = known.find((candidate) => normalize(candidate) === plain);
  if (same !== undefined) return same;
  const synonym = Object.hasOwn(SYNONYMS, plain) ? SYNONYMS[plain] : undefined;
  if (synonym !== undefined && known.includes(synonym)) return synonym;
  if (plain.length > 64) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(plain.length / 3)) + 1;
  for (const candidate of known.slice(0, 1_000)) {
    const distance = editDistance(plain, normalize(candidate), least);
    if (distance < least) {
      best = candidate;
      least = distance;
    }
  }
  return best;
}

/** Answers `; did you mean "…"?`, or nothing. */
export type Hint = (word: string, known: readonly string[]) => string;

/** A {@link Hint} for one file. It falls silent after so many: a file of 100,000 wrong words must not cost as many searches. */
export function limitedHint(): Hint {
  let left = HINTS_MAX;
  return (word, known) => {
    return left-- <= 0 ? '' : didYouMean(word, known);
  };
}

/** `; did you mean "…"?`, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const match = nearest(word, known);
  return match === undefined ? '' : `; did you mean "${match}"?`;
}

const HINTS_MAX = 100;

function normalize(word: string): string {
  return word.toLowerCase().replace(/[-_\s]/g, '');
}

/** Damerau–Levenshtein with adjacent swaps; `limit` if it is that or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (above[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (above[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] as number) + 1);
      row.push(cost);
    }
    before = above;
    above = row;
  }
  return Math.min(limit, above[b.length] as number);
}

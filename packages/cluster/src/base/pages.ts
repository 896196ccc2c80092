/** Reads a whole range, page by page. The one place that knows how the next page is asked for. */
import type { KeyValue, Revision, Store } from '@boi/store';
import type { KeyRange } from '../keys.ts';

export interface PagesOptions {
  /** All pages at this revision. Default: each as the store is then. */
  readonly revision?: Revision;
  readonly keysOnly?: boolean;
  /** For each read. Default: the store's own. */
  readonly deadlineMs?: number;
}

export interface PageOfKeys {
  readonly kvs: readonly KeyValue[];
  /** Store revision it was read at. */
  readonly revision: Revision;
}

/** At least one page, the last perhaps empty. */
export async function* pages(
  store: Pick<Store, 'range'>,
  { start: first, end }: KeyRange,
  options: PagesOptions = {},
): AsyncGenerator<PageOfKeys> {
  for (let start = first; ; ) {
    const page = await store.range({ start, end, ...options });
    yield { kvs: page.kvs, revision: page.revision };
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return;
    // No key lies between a key and itself with the lowest printable character.
    start = `${last.key} `;
  }
}

/** The whole range at one revision: that of the first page unless one is asked for. */
export async function wholeRange(
  store: Pick<Store, 'range'>,
  range: KeyRange,
  options: PagesOptions = {},
): Promise<{ readonly kvs: KeyValue[]; readonly revision: Revision }> {
  const { start, end } = range;
  const first = await store.range({ start, end, ...options });
  const kvs = [...first.kvs];
  const last = kvs.at(-1);
  if (first.more && last !== undefined) {
    const rest = { start: `${last.key} `, end };
    for await (const page of pages(store, rest, { ...options, revision: first.revision })) kvs.push(...page.kvs);
  }
  return { kvs, revision: first.revision };
}

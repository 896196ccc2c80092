/** Reads pages of a list until it ends or enough was read. */

const PAGE_MAX = 1000;

export async function readPages<T>(
  limit: number,
  page: (query: { limit: number; after?: string }) => Promise<{ readonly items: readonly T[]; readonly next?: string }>,
): Promise<{ readonly items: readonly T[]; readonly more: boolean }> {
  const items: T[] = [];
  let after: string | undefined;
  do {
    const query = { limit: Math.min(PAGE_MAX, limit - items.length), ...(after === undefined ? {} : { after }) };
    const answer = await page(query);
    items.push(...answer.items);
    after = answer.next;
  } while (after !== undefined && items.length < limit);
  return { items: items.slice(0, limit), more: after !== undefined };
}

import { beforeEach, expect, test } from 'vitest';
import { type Fixture, fixture } from '../testing/fixtures.ts';
import { pages, wholeRange } from './pages.ts';

const range = { start: '/k/', end: '/k0' };
const key = (n: number) => `/k/${String(n).padStart(5, '0')}`;
let f: Fixture;

async function fill(from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n += 100) {
    const success = Array.from({ length: Math.min(100, to - n + 1) }, (_, i) => ({
      op: 'put' as const,
      key: key(n + i),
      value: 'x',
    }));
    await f.store.txn({ compares: [], success });
  }
}

beforeEach(() => {
  f = fixture();
});

test('a range is read page by page, each key once, in order', async () => {
  await fill(1, 2_500);
  const sizes: number[] = [];
  const keys: string[] = [];
  for await (const { kvs } of pages(f.store, range, { keysOnly: true })) {
    sizes.push(kvs.length);
    keys.push(...kvs.map((kv) => kv.key));
  }
  expect(sizes).toEqual([1_000, 1_000, 500]);
  expect(keys).toEqual(Array.from({ length: 2_500 }, (_, i) => key(i + 1)));
});

test('an empty range is one empty page', async () => {
  const all = [];
  for await (const page of pages(f.store, range)) all.push(page.kvs.length);
  expect(all).toEqual([0]);
});

test('the whole of it is of one revision, whatever is written while it is read', async () => {
  await fill(1, 1_500);
  const store: typeof f.store = new Proxy(f.store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== 'range') return typeof value === 'function' ? value.bind(target) : value;
      return async (query: Parameters<typeof target.range>[0]) => {
        const page = await target.range(query);
        await fill(1_501, 1_600);
        return page;
      };
    },
  });
  const { kvs, revision } = await wholeRange(store, range);
  expect(kvs).toHaveLength(1_500);
  expect(BigInt(revision)).toBeLessThan(BigInt(f.server.revision));
});

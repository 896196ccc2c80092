import type { IdentityApi } from '@boi/cluster';
import { BoiError, type NodeId } from '@boi/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { removeNode } from './removal.ts';

const NODE = 'nod_01h455vb4pex5vsknk084sn02q' as NodeId;

let done: string[];
/** Entries that each of the two ways of taking its work away moves; undefined: nothing of the node is there. */
let left: { readonly plain: number | undefined; readonly expelled: number | undefined };
let member: boolean;

beforeEach(() => {
  done = [];
  left = { plain: 2, expelled: 1 };
  member = true;
});

function removal(node: string, { force = false } = {}) {
  const identity = {
    directory: { isAdmin: () => false, member: () => (member ? { id: NODE } : undefined) },
    removeMember: async () => void done.push('membership ends'),
    expelMember: async () => void done.push('expelled'),
  } as unknown as IdentityApi;
  const remove = async ({ expelled }: { readonly expelled: boolean }) => {
    done.push(expelled ? 'all taken' : 'taken');
    const moved = expelled ? left.expelled : left.plain;
    if (moved === undefined) throw new BoiError('not-found', `there is no node ${node}`);
    return { id: NODE, moved };
  };
  return removeNode({ identity, node: async () => NODE }, { node, force, remove, caller: { kind: 'anyone' } });
}

describe('a dead node that is removed', () => {
  test.each([NODE, 'its name'])('(%s) loses also the claims that no other node could take', async (node) => {
    expect(await removal(node)).toEqual({ id: NODE, moved: 3 });
    expect(done).toEqual(['taken', 'membership ends', 'all taken']);
  });

  test('may have left nothing', async () => {
    left = { plain: undefined, expelled: undefined };
    expect(await removal(NODE)).toEqual({ id: NODE, moved: 0 });
    expect(done).toEqual(['taken', 'membership ends', 'all taken']);
  });

  test('is not found when it was none', async () => {
    left = { plain: undefined, expelled: undefined };
    member = false;
    await expect(removal(NODE)).rejects.toMatchObject({ code: 'not-found' });
    expect(done).toEqual(['taken']);
  });
});

test('by force membership ends first, whether anything is left or not', async () => {
  expect(await removal(NODE, { force: true })).toEqual({ id: NODE, moved: 1 });
  left = { plain: undefined, expelled: undefined };
  expect(await removal(NODE, { force: true })).toEqual({ id: NODE, moved: 0 });
  expect(done).toEqual(['expelled', 'all taken', 'expelled', 'all taken']);
});

import type { ClusterApi } from '@boi/cluster';
import { BoiError, type NodeId, type NodeView } from '@boi/core';
import { describe, expect, test } from 'vitest';
import { namedNodes } from './named-nodes.ts';

const LIVE = 'nod_01h455vb4pex5vsknk084sn02q';
const DEAD = 'nod_01h455vb4pex5vsknk084sn02r';
const DEAD_TOO = 'nod_01h455vb4pex5vsknk084sn02s';

/** A cluster in which one node lives, as the protocol knows it: without names of the dead. */
function cluster(names: Readonly<Record<string, string>>) {
  const items: NodeView[] = [
    { id: LIVE, name: 'a', state: 'ready' },
    { id: DEAD, state: 'dead' },
    { id: DEAD_TOO, state: 'dead' },
  ];
  const plain: Pick<ClusterApi, 'listNodes' | 'node' | 'notice'> = {
    listNodes: async () => ({ items, ageMs: 7 }),
    node: async (idOrName) => {
      const found = items.find(({ id, name }) => id === idOrName || name === idOrName);
      if (found === undefined) throw new BoiError('not-found', `there is no node ${idOrName}`);
      return found;
    },
    notice: () => 'said',
  };
  return namedNodes(plain as ClusterApi, (id: NodeId) => names[id]);
}

describe('a dead node', () => {
  test('is listed by the name it was admitted by, and found by it', async () => {
    const api = cluster({ [DEAD]: 'b', [LIVE]: 'never asked for' });
    expect((await api.listNodes({})).items.map(({ name }) => name)).toEqual(['a', 'b', undefined]);
    expect(await api.listNodes({ name: 'b' })).toEqual({ items: [{ id: DEAD, name: 'b', state: 'dead' }], ageMs: 7 });
    expect(await api.node('b')).toEqual({ id: DEAD, name: 'b', state: 'dead' });
    expect(await api.node(DEAD)).toEqual({ id: DEAD, name: 'b', state: 'dead' });
    expect((await api.node('a')).id).toBe(LIVE);
  });

  test('is not taken for another of that name', async () => {
    const api = cluster({ [DEAD]: 'b', [DEAD_TOO]: 'b' });
    await expect(api.node('b')).rejects.toMatchObject({
      code: 'ambiguous-name',
      details: { candidates: [DEAD, DEAD_TOO] },
    });
    await expect(api.node('c')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('changes nothing else of the API', () => {
    expect(cluster({}).notice()).toBe('said');
  });
});

/**
 * The cluster's API with the names of nodes that are dead: a node's name is in its live record and goes with it, but on a
 * cluster with identities its membership stays, and with it the name it was admitted by. So a dead node that left work or
 * settings is listed, and found, by its name.
 */
import type { ClusterApi } from '@boi/cluster';
import { BoiError, isId, type NodeId, type NodeView } from '@boi/core';

/** The name of a member; undefined for one without, and for no member. */
export type NameOf = (node: NodeId) => string | undefined;

export function namedNodes(api: ClusterApi, nameOf: NameOf): ClusterApi {
  const named = (view: NodeView): NodeView => {
    const name = view.name ?? nameOf(view.id as NodeId);
    return name === undefined ? view : { ...view, name };
  };
  const listNodes: ClusterApi['listNodes'] = async ({ name, ...query }) => {
    const page = await api.listNodes(query);
    const items = page.items.map(named);
    return { ...page, items: name === undefined ? items : items.filter((view) => view.name === name) };
  };
  const node: ClusterApi['node'] = async (idOrName, stale) => {
    try {
      return named(await api.node(idOrName, stale));
    } catch (error) {
      if (!(error instanceof BoiError && error.code === 'not-found') || isId(idOrName, 'node')) throw error;
      const { items } = await listNodes({ name: idOrName, ...(stale === undefined ? {} : { stale }) });
      const [only, ...more] = items;
      if (only === undefined) throw error;
      if (more.length === 0) return only;
      throw new BoiError(
        'ambiguous-name',
        `${items.length} nodes are called ${JSON.stringify(idOrName)}: give the id`,
        { details: { candidates: items.map(({ id }) => id) } },
      );
    }
  };
  const own = { listNodes, node };
  return new Proxy(api, {
    get: (target, name) => (name in own ? own[name as keyof typeof own] : Reflect.get(target, name)),
  });
}

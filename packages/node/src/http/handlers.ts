/** One handler per route: resolves names to ids, calls the cluster, answers wire types. Nothing is decided here. */

import type { ClusterApi } from '@boi/cluster';
import type { DispatchBody, GroupMembers, NodeId, ProjectId, RouteQuery, SpecId } from '@boi/core';
import { BoiError, validateLogQuery } from '@boi/core';
import { actorOf, actorView } from '../access/caller.ts';
import type { IdentityDesk } from '../identity/desk.ts';
import type { LogRelay } from '../log-relay.ts';
import type { PluginDesk } from '../plugins/desk.ts';
import { createIdentityHandlers } from './identity-handlers.ts';
import type { Call, Handlers } from './server.ts';
import { streamSpecEvents } from './sse.ts';

export interface HandlerDeps {
  readonly api: ClusterApi;
  readonly relay: LogRelay;
  readonly self: () => { readonly id: NodeId; readonly name?: string };
  readonly version: string;
  /** Undefined: the node runs without identities. */
  readonly desk?: IdentityDesk;
  readonly plugins: PluginDesk;
}

export function createHandlers({ api, relay, self, version, desk, plugins }: HandlerDeps): Handlers {
  const project = async (params: Readonly<Record<string, string>>): Promise<ProjectId> =>
    (await api.project(params.prj as string)).id;
  const spec = async (params: Readonly<Record<string, string>>): Promise<{ prj: ProjectId; spc: SpecId }> => {
    const prj = await project(params);
    return { prj, spc: (await api.spec(prj, params.spc as string)).id as SpecId };
  };
  const task = async (params: Readonly<Record<string, string>>) => {
    const prj = await project(params);
    return { prj, tsk: await api.resolveTask(prj, params.tsk as string) };
  };
  const node = async (params: Readonly<Record<string, string>>): Promise<NodeId> =>
    (await api.node(params.nod as string)).id as NodeId;

  /** A member that left nothing is not known here, but may be removed by its id. */
  const nodeIfKnown = async (params: Readonly<Record<string, string>>): Promise<string> => {
    try {
      return await node(params);
    } catch (error) {
      if (error instanceof BoiError && error.code === 'not-found') return params.nod as string;
      throw error;
    }
  };

  return {
    'spec.dispatch': async ({ params, body, reply, caller }) => {
      const request = body as DispatchBody;
      if (request.dryRun === true) {
        throw new BoiError('bad-request', '/body/dryRun: a dry run is asked of POST …/specs/plan', {
          issues: [{ path: '/body/dryRun', message: 'ask POST …/specs/plan instead' }],
        });
      }
      const answer = await api.dispatch(await project(params), request, actorOf(caller));
      if (answer.existing) reply.header('x-boi-existing', 'true');
      return answer;
    },
    'spec.plan': async ({ params, body }) => api.plan(await project(params), body as DispatchBody),
    'spec.list': async ({ params, query }) => api.listSpecs(await project(params), query as RouteQuery<'spec.list'>),
    'spec.show': async ({ params }) => api.spec(await project(params), params.spc as string),
    'spec.tasks': async ({ params, query }) => {
      const { prj, spc } = await spec(params);
      return api.listTasks(prj, spc, query as RouteQuery<'spec.tasks'>);
    },
    'spec.events': async (call) => {
      const { prj, spc } = await spec(call.params);
      await streamSpecEvents(api, prj, spc, call.query.tasks !== false, call);
      return undefined;
    },
    'spec.cancel': async ({ params, caller }) => {
      const { prj, spc } = await spec(params);
      return api.cancelSpec(prj, spc, actorOf(caller));
    },
    'spec.retry': async ({ params, body, caller }) => {
      const { prj, spc } = await spec(params);
      return api.retrySpec(prj, spc, (body as { idempotencyKey?: string }).idempotencyKey, actorOf(caller));
    },
    'task.show': async ({ params }) => {
      const { prj, tsk } = await task(params);
      return api.task(prj, tsk);
    },
    'task.log': async (call) => {
      const { prj, tsk } = await task(call.params);
      await relay.stream(prj, tsk, validateLogQuery(call.query), call);
      return undefined;
    },
    'task.cancel': async ({ params, caller }) => {
      const { prj, tsk } = await task(params);
      return api.cancelTask(prj, tsk, actorOf(caller));
    },
    'task.retry': async ({ params, caller }) => {
      const { prj, tsk } = await task(params);
      return api.retryTask(prj, tsk, actorOf(caller));
    },
    'task.kill': async ({ params, caller }) => {
      const { prj, tsk } = await task(params);
      return api.killTask(prj, tsk, actorOf(caller));
    },
    'node.list': async ({ query, reply }) => aged(reply, await api.listNodes(query as RouteQuery<'node.list'>)),
    'node.show': async ({ params, query, reply }) =>
      aged(reply, await api.node(params.nod as string, (query as RouteQuery<'node.show'>).stale)),
    'node.cordon': async ({ params, caller }) => api.cordon(await node(params), actorOf(caller)),
    'node.uncordon': async ({ params }) => api.uncordon(await node(params)),
    'node.drain': async ({ params, body, caller }) =>
      api.drain(await node(params), (body as { deadlineMs?: number }).deadlineMs ?? DRAIN_DEFAULT_MS, actorOf(caller)),
    'node.remove': async ({ params, query, caller }) => {
      const force = (query as RouteQuery<'node.remove'>).force === true;
      if (desk !== undefined) {
        const known = await nodeIfKnown(params);
        // By its id, which outlives its name.
        const remove = async (options: { readonly expelled: boolean }) =>
          api.removeNode(await node({ nod: known }), options);
        return desk.removeNode({ node: known, force, remove, caller });
      }
      if (force) {
        throw new BoiError(
          'wrong-state',
          'Without identities nothing keeps a node from coming back: stop it, and remove it then.',
        );
      }
      return api.removeNode(await node(params));
    },
    'group.create': async ({ body, caller }) => api.createGroup((body as { name?: string }).name, actorOf(caller)),
    'group.list': async ({ query }) => api.listGroups(query as RouteQuery<'group.list'>),
    'group.show': async ({ params }) => api.group(params.grp as string),
    'group.add': async ({ params, body }) => api.addToGroup(params.grp as string, (body as GroupMembers).members),
    'group.remove': async ({ params, body }) =>
      api.removeFromGroup(params.grp as string, (body as GroupMembers).members),
    'group.delete': async ({ params }) => api.deleteGroup(params.grp as string),
    'cluster.show': async ({ query, reply }) =>
      aged(reply, await api.cluster((query as RouteQuery<'cluster.show'>).stale)),
    'cluster.pause': async ({ caller }) => api.setPaused(true, actorOf(caller)),
    'cluster.resume': async ({ caller }) => api.setPaused(false, actorOf(caller)),
    'cluster.fsck': async () => api.fsck(),
    'cluster.repair': async ({ body }) => api.repair((body as { apply?: boolean }).apply === true),
    'local.show': async () => api.local(),
    'local.fallback': async ({ body }) => api.setFallback((body as { on: boolean }).on),
    whoami: async ({ caller }) => {
      const cluster = await api.cluster();
      const { id, name } = self();
      return {
        node: { id, ...(name === undefined ? {} : { name }) },
        cluster: cluster.id,
        version,
        defaultProject: cluster.defaultProject,
        actor: actorView(caller),
      };
    },
    ...createIdentityHandlers(desk),
    ...plugins.handlers,
  };
}

/** Its age in a header as well, for those who look at no body. */
function aged<T extends { readonly ageMs?: number | undefined }>(reply: Call['reply'], answer: T): T {
  if (answer.ageMs !== undefined) reply.header('x-boi-age-ms', String(answer.ageMs));
  return answer;
}

const DRAIN_DEFAULT_MS = 3_600_000;

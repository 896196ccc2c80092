/** Provisioner, router and workspace plugins: an object with one function for each call of the contract. */
import type { provisioner, router, workspace } from '@boi/proto';
import { type Call, required, requiredFence, unary } from './call.ts';
import { handshake } from './handshake.ts';
import { type PluginInfo, serve } from './serve.ts';

type Answer<T> = Promise<T> | T;

export interface ProvisionerPlugin extends PluginInfo {
  /** Begins to make a node; once for each request id, however often it is called. */
  provision(request: provisioner.ProvisionRequest__Output, call: Call): Answer<provisioner.ProvisionResponse>;
  /** Answers when the node is gone. */
  deprovision(requestId: string, call: Call): Answer<provisioner.DeprovisionResponse>;
  list(call: Call): Answer<readonly provisioner.ListedProvision[]>;
}

export function serveProvisioner(plugin: ProvisionerPlugin): Promise<void> {
  return serve('provisioner', plugin, {
    Handshake: handshake('provisioner', plugin),
    Provision: unary((request: provisioner.ProvisionRequest__Output, call) => {
      required(request.requestId, 'request_id');
      required(request.bootstrapAddresses[0], 'bootstrap_addresses');
      return plugin.provision(request, call);
    }),
    Deprovision: unary((request: provisioner.DeprovisionRequest__Output, call) =>
      plugin.deprovision(required(request.requestId, 'request_id'), call),
    ),
    List: unary(async (_: provisioner.ListRequest__Output, call) => ({ provisions: [...(await plugin.list(call))] })),
  });
}

export interface RouterPlugin extends PluginInfo {
  /** Rates candidates for tasks, within 50 ms. */
  hint(request: router.HintRequest__Output, call: Call): Answer<readonly router.TaskHint[]>;
}

export function serveRouter(plugin: RouterPlugin): Promise<void> {
  return serve('router', plugin, {
    Handshake: handshake('router', plugin),
    Hint: unary(async (request: router.HintRequest__Output, call) => {
      required(request.tasks[0]?.taskId, 'tasks');
      required(request.candidates[0]?.nodeId, 'candidates');
      return { hints: [...(await plugin.hint(request, call))] };
    }),
  });
}

export interface WorkspacePlugin extends PluginInfo {
  /** Makes the workspace of a task and fence, or finds it. */
  prepare(request: workspace.PrepareRequest__Output, call: Call): Answer<workspace.PrepareResponse>;
  cleanup(request: workspace.CleanupRequest__Output, call: Call): Answer<workspace.CleanupResponse>;
  list(call: Call): Answer<readonly workspace.ListedWorkspace[]>;
}

export function serveWorkspace(plugin: WorkspacePlugin): Promise<void> {
  return serve('workspace', plugin, {
    Handshake: handshake('workspace', plugin),
    Prepare: unary((request: workspace.PrepareRequest__Output, call) => {
      required(request.taskId, 'task_id');
      requiredFence(request.fence);
      return plugin.prepare(request, call);
    }),
    Cleanup: unary((request: workspace.CleanupRequest__Output, call) => {
      required(request.taskId, 'task_id');
      requiredFence(request.fence);
      return plugin.cleanup(request, call);
    }),
    List: unary(async (_: workspace.ListRequest__Output, call) => ({ workspaces: [...(await plugin.list(call))] })),
  });
}

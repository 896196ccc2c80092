/** Calls of a workspace plugin. Both may be repeated after any failure: the key is (task id, fence). */
import { isAbsolute } from 'node:path';
import type { CallContext, workspace } from '@boi/proto';
import type { PluginChannel } from '../channel.ts';
import { Answer } from './answer.ts';

/** A first clone of a large repository takes minutes. */
const PREPARE_TIMEOUT_MS = 600_000;
/** A push over a slow line. */
const CLEANUP_TIMEOUT_MS = 300_000;
const LIST_TIMEOUT_MS = 10_000;
const PATH = 'an absolute path of at most 4096 bytes without control characters';

export interface WorkspaceCallOptions {
  readonly timeoutMs?: number;
  readonly context?: CallContext;
  readonly signal?: AbortSignal;
}

export async function prepareWorkspace(
  channel: PluginChannel,
  request: workspace.PrepareRequest,
  options: WorkspaceCallOptions = {},
): Promise<workspace.PrepareResponse__Output> {
  const wire = await channel.call<workspace.PrepareRequest, workspace.PrepareResponse__Output>('Prepare', request, {
    timeoutMs: PREPARE_TIMEOUT_MS,
    ...options,
  });
  const answer = new Answer(channel.plugin, 'Prepare');
  answer.holds(isPath(wire.path), 'path', PATH);
  answer.line('version', wire.version);
  answer.holds(Object.keys(wire.env).length <= 256, 'env', 'at most 256 variables');
  for (const [name, value] of Object.entries(wire.env))
    answer.holds(/^[A-Z_][A-Z0-9_]*$/.test(name) && !value.includes('\0'), 'env', 'names of A-Z, 0-9, _; no zero byte');
  answer.done();
  return wire;
}

export async function cleanupWorkspace(
  channel: PluginChannel,
  request: workspace.CleanupRequest,
  options: WorkspaceCallOptions = {},
): Promise<workspace.CleanupResponse__Output> {
  const wire = await channel.call<workspace.CleanupRequest, workspace.CleanupResponse__Output>('Cleanup', request, {
    timeoutMs: CLEANUP_TIMEOUT_MS,
    ...options,
  });
  const answer = new Answer(channel.plugin, 'Cleanup');
  answer.holds(wire.keptPath === '' || isPath(wire.keptPath), 'kept_path', `empty or ${PATH}`);
  answer.line('pushed_version', wire.pushedVersion);
  answer.done();
  return wire;
}

export async function listWorkspaces(channel: PluginChannel): Promise<readonly workspace.ListedWorkspace__Output[]> {
  const wire = await channel.call<object, workspace.ListResponse__Output>('List', {}, { timeoutMs: LIST_TIMEOUT_MS });
  const answer = new Answer(channel.plugin, 'List');
  for (const { path } of wire.workspaces) answer.holds(isPath(path), 'path', PATH);
  answer.done();
  return wire.workspaces;
}

function isPath(path: string): boolean {
  return isAbsolute(path) && !/\p{Cc}/u.test(path) && Buffer.byteLength(path) <= 4_096;
}

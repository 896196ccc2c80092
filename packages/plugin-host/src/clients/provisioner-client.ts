/** Calls of a provisioner plugin. All may be repeated after any failure: the key is the request id. */
import type { CallContext, provisioner } from '@boi/proto';
import type { PluginChannel } from '../channel.ts';
import { Answer } from './answer.ts';

/** It only has to begin. */
const PROVISION_TIMEOUT_MS = 30_000;
/** It answers when the node is gone, which may drain. */
const DEPROVISION_TIMEOUT_MS = 120_000;
const LIST_TIMEOUT_MS = 10_000;

export interface ProvisionerCallOptions {
  readonly timeoutMs?: number;
  readonly context?: CallContext;
  readonly signal?: AbortSignal;
}

export async function provision(
  channel: PluginChannel,
  request: provisioner.ProvisionRequest,
  options: ProvisionerCallOptions = {},
): Promise<provisioner.ProvisionResponse__Output> {
  const wire = await channel.call<provisioner.ProvisionRequest, provisioner.ProvisionResponse__Output>(
    'Provision',
    request,
    { timeoutMs: PROVISION_TIMEOUT_MS, ...options },
  );
  const answer = new Answer(channel.plugin, 'Provision');
  answer.text('handle', wire.handle);
  answer.done();
  return wire;
}

export function deprovision(
  channel: PluginChannel,
  requestId: string,
  options: ProvisionerCallOptions = {},
): Promise<provisioner.DeprovisionResponse__Output> {
  return channel.call('Deprovision', { requestId }, { timeoutMs: DEPROVISION_TIMEOUT_MS, ...options });
}

export async function listProvisions(channel: PluginChannel): Promise<readonly provisioner.ListedProvision__Output[]> {
  const wire = await channel.call<object, provisioner.ListResponse__Output>('List', {}, { timeoutMs: LIST_TIMEOUT_MS });
  const answer = new Answer(channel.plugin, 'List');
  for (const { requestId, state, handle, message } of wire.provisions) {
    answer.holds(requestId !== '', 'request_id', 'set');
    answer.matches('state', String(state), /^PROVISION_STATE_(STARTING|RUNNING|FAILED)$/, 'a known state');
    answer.text('handle', handle);
    answer.text('message', message, 1_024);
  }
  answer.done();
  return wire.provisions;
}

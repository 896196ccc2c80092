/** A provisioner that makes nodes in its memory only, also for requests that nobody waits for any more: what the kit must find. */
import { Refusal, serveProvisioner } from '@boi/plugin-sdk';

const known = new Set<string>();

serveProvisioner({
  name: 'careless',
  version: '1',
  provision: ({ requestId }) => {
    if (!requestId.startsWith('prq_')) throw new Refusal('invalid-argument', 'request_id is ill-formed');
    const alreadyProvisioned = known.has(requestId);
    known.add(requestId);
    return { alreadyProvisioned, handle: requestId };
  },
  deprovision: (requestId) => ({ existed: known.delete(requestId) }),
  list: () =>
    [...known].map((requestId) => ({ requestId, state: 'PROVISION_STATE_RUNNING' as const, handle: requestId })),
});

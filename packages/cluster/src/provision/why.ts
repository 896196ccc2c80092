/** What provisioning has to say of a task that no node can run: for `task show`. */
import { formatDuration } from '@boi/core';
import type { ProvisionRecord } from './records.ts';

/** Undefined: nothing was asked for. `nowMs`: wall clock. */
export function provisionWhy(record: ProvisionRecord | undefined, nowMs: number): string | undefined {
  if (record === undefined) return undefined;
  const { request, failures, coolingUntil, failed } = record;
  const count = `${failures} request${failures === 1 ? '' : 's'} failed`;
  const last = failed === undefined ? '' : ` (${SAID[failed]})`;
  if (request !== undefined && request.failed === undefined) {
    return `asked for a node ${roughly(nowMs - request.at)} ago${failures === 0 ? '' : `; ${count} before${last}`}`;
  }
  if (coolingUntil !== undefined && coolingUntil > nowMs) {
    return `${count}${last}, next in ${roughly(coolingUntil - nowMs)}`;
  }
  return failures === 0 ? undefined : `${count}${last}; trying again`;
}

/** In whole seconds. */
function roughly(ms: number): string {
  return formatDuration(Math.max(0, Math.round(ms / 1_000) * 1_000));
}

const SAID = {
  deadline: 'no node joined in time',
  refused: 'the provisioner refused',
  incapable: 'the node that joined cannot run it',
} as const;

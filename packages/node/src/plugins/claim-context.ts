/**
 * What goes as metadata with a call about a claim: its fence, the session's epoch, and what the call correlates with. A spec is
 * what one request brought about, so its id is on every call about any of its tasks.
 */
import { isId, specOf } from '@boi/core';

/** `epoch`: undefined while there is no session. */
export function claimContext(claim: { readonly task: string; readonly fence: string }, epoch?: string) {
  const { task, fence } = claim;
  return {
    fence,
    ...(epoch === undefined ? {} : { epoch }),
    // A plugin may list what is no task's.
    ...(isId(task, 'task') ? { correlation: specOf(task) } : {}),
  };
}

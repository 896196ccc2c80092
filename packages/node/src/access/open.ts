/** Access without identities: whoever reaches the loopback address may do everything. */
import type { ProjectId } from '@boi/core';
import type { Access } from './enforce.ts';
import type { RateLimiter } from './rate-limit.ts';

export function openAccess(limiter: RateLimiter): Access {
  return {
    limiter,
    identify: () => ({ kind: 'anyone' }),
    // Nobody is limited to a project.
    project: async (idOrName) => idOrName as ProjectId,
  };
}

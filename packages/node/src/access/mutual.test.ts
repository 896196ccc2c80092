/** Who a bearer secret is, and the role of a user by the groups it is in, which is asked for at each request. */

import type { User } from '@boi/cluster';
import type { UserId, UserRole } from '@boi/core';
import { mintUserSecret } from '@boi/identity';
import { systemClock, systemRandom } from '@boi/system';
import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';
import { mutualAccess } from './mutual.ts';
import { RateLimiter } from './rate-limit.ts';

const id = 'usr_01h00000000000000000000000' as UserId;
const { secret, hash } = mintUserSecret(id, systemRandom);

async function roleOf(own: UserRole, byGroups: UserRole | undefined, over: Partial<User> = {}) {
  const user = { id, name: 'ann', role: own, createdAt: 0, secretHash: hash, ...over } as User;
  const access = mutualAccess({
    keychain: { cluster: 'c', trusted: [], generation: 1 },
    directory: {
      standing: () => ({ ok: false, reason: 'unknown' }),
      user: (asked) => (asked === id ? user : undefined),
    },
    roleByGroups: (asked) => (asked === id ? byGroups : undefined),
    project: async () => {
      throw new Error('not asked');
    },
    limiter: new RateLimiter(systemClock, 0),
    clock: systemClock,
    onRefused: () => {},
  });
  const socket = { getPeerCertificate: () => ({}) };
  const request = { raw: { socket }, headers: { authorization: `Bearer ${secret}` } };
  return access.identify(request as unknown as FastifyRequest);
}

test('a user has the higher of its own role and that of its groups, and stays within its project', async () => {
  expect(await roleOf('viewer', undefined)).toMatchObject({ kind: 'user', id, role: 'viewer' });
  expect(await roleOf('viewer', 'operator')).toMatchObject({ role: 'operator' });
  expect(await roleOf('viewer', 'admin')).toMatchObject({ role: 'admin' });
  expect(await roleOf('admin', 'operator')).toMatchObject({ role: 'admin' });
  const project = 'prj_01h00000000000000000000000' as NonNullable<User['project']>;
  expect(await roleOf('viewer', 'operator', { project })).toMatchObject({ role: 'operator', project });
});

test('a user that is revoked is refused whatever its groups give', async () => {
  await expect(roleOf('viewer', 'admin', { revokedAt: 1 })).rejects.toMatchObject({ code: 'unauthenticated' });
});

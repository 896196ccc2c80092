/**
 * Access by credentials: the client certificate of the connection, or a user's secret in the header. The certificate is
 * verified once for a connection and each trust bundle (`identityOfPeer`); at every request it is asked whether it has
 * expired since and whether the directory still has it, which costs no request to the store.
 *
 * A certificate that is not good refuses every request of its connection with the reason, also if there is a secret beside
 * it: the handshake itself goes through, since Node would end it without a word and the client could not tell why. To an
 * unknown user and to a wrong secret the answer and its cost are the same.
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { IdentityDirectory, User } from '@boi/cluster';
import { type Clock, type ProjectId, USER_ROLES, type UserId, type UserRole } from '@boi/core';
import { identityOfPeer, type PeerAnswer, readUserSecret, userSecretMatches } from '@boi/identity';
import type { Keychain } from '../identity/keychain.ts';
import type { Caller } from './caller.ts';
import { type Access, type RefusedBecause, unauthenticated } from './enforce.ts';
import type { RateLimiter } from './rate-limit.ts';

export interface MutualAccessOptions {
  readonly keychain: Pick<Keychain, 'cluster' | 'trusted' | 'generation'>;
  readonly directory: Pick<IdentityDirectory, 'standing' | 'user'>;
  /** The role that the groups `admins` and `operators` give a user, if any. */
  readonly roleByGroups: (user: UserId) => UserRole | undefined;
  readonly project: (idOrName: string) => Promise<ProjectId>;
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  readonly onRefused: (reason: RefusedBecause) => void;
}

interface Seen {
  readonly generation: number;
  readonly answer: PeerAnswer;
}

/** The whole header is at most so long before it is looked at. */
const AUTHORIZATION_CHARS_MAX = 200;

const WHY: Record<RefusedBecause, string> = {
  missing: 'Show who you are.',
  unknown: 'There is nobody with this credential.',
  revoked: 'This credential was revoked, or replaced by a newer one; ask an admin for a new one.',
  expired: 'This certificate has expired; ask an admin to reissue it.',
  'not-yet-valid': 'This certificate is not valid yet; compare the clocks of both hosts.',
  untrusted: 'This certificate is not of the CA of this cluster.',
  'wrong-cluster': 'This certificate is of another cluster.',
  malformed: 'This certificate is not one that this cluster makes.',
};

export function mutualAccess(options: MutualAccessOptions): Access {
  const { keychain, directory, clock } = options;
  const seen = new WeakMap<TLSSocket, Seen>();

  const refuse = (reason: RefusedBecause): never => {
    options.onRefused(reason);
    throw unauthenticated(reason, WHY[reason]);
  };

  const verified = (socket: TLSSocket): PeerAnswer | undefined => {
    const known = seen.get(socket);
    if (known?.generation === keychain.generation) return known.answer;
    // Absent: an object without fields.
    const der: Buffer | undefined = socket.getPeerCertificate().raw;
    if (der === undefined) return undefined;
    const { cluster, trusted, generation } = keychain;
    const answer = identityOfPeer(der, { cluster, trusted, now: clock.now() });
    seen.set(socket, { generation, answer });
    return answer;
  };

  const byCertificate = (answer: PeerAnswer): Caller => {
    if (!answer.ok) return refuse(answer.reason);
    const { peer } = answer;
    if (clock.now() >= peer.notAfter) return refuse('expired');
    const standing = directory.standing(peer);
    if (!standing.ok) return refuse(standing.reason);
    if (standing.role === 'node') {
      const { node, admin } = standing;
      return {
        kind: 'node',
        id: node.id,
        ...(node.name === undefined ? {} : { name: node.name }),
        admin,
        fingerprint: peer.fingerprint,
        expiresAt: peer.notAfter,
      };
    }
    const { fingerprint, notAfter } = peer;
    return { ...callerOf(standing.user, options), credential: 'certificate', fingerprint, expiresAt: notAfter };
  };

  const bySecret = (header: string): Caller => {
    const match = header.length <= AUTHORIZATION_CHARS_MAX ? /^Bearer +(\S+)$/i.exec(header) : null;
    const presented = match === null ? undefined : readUserSecret(match[1] as string);
    const user = presented === undefined ? undefined : directory.user(presented.user as UserId);
    const matches = userSecretMatches(user?.secretHash, presented?.hash ?? '');
    if (user === undefined || !matches) return refuse('unknown');
    if (user.revokedAt !== undefined) return refuse('revoked');
    return { ...callerOf(user, options), credential: 'secret' };
  };

  return {
    limiter: options.limiter,
    project: options.project,
    identify: ({ raw, headers }: { raw: IncomingMessage; headers: IncomingMessage['headers'] }) => {
      const answer = verified(raw.socket as TLSSocket);
      if (answer !== undefined) return byCertificate(answer);
      return headers.authorization === undefined ? undefined : bySecret(headers.authorization);
    },
  };
}

/** The higher of the role it was created with and that of its groups; a limit to a project holds in any case. */
function callerOf({ id, name, role: own, project }: User, { roleByGroups }: Pick<MutualAccessOptions, 'roleByGroups'>) {
  const given = roleByGroups(id) ?? own;
  const role = USER_ROLES.indexOf(given) > USER_ROLES.indexOf(own) ? given : own;
  return { kind: 'user' as const, id, name, role, ...(project === undefined ? {} : { project }) };
}

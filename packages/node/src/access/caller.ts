/** Who asks, as the credential of the connection or request says; never as a body does. */
import type { Actor } from '@boi/cluster';
import type { ActorView, NodeId, ProjectId, UserId, UserRole } from '@boi/core';

export interface UserCaller {
  readonly kind: 'user';
  readonly id: UserId;
  readonly name: string;
  readonly role: UserRole;
  /** The only project it may touch. */
  readonly project?: ProjectId;
  readonly credential: 'certificate' | 'secret';
  /** Of the certificate it shows. */
  readonly fingerprint?: string;
  /** Wall clock, when the certificate expires. */
  readonly expiresAt?: number;
}

export interface NodeCaller {
  readonly kind: 'node';
  readonly id: NodeId;
  readonly name?: string;
  /** It holds the key of the CA, so nothing an admin may do could be kept from it. */
  readonly admin: boolean;
  /** Of the certificate it shows. */
  readonly fingerprint: string;
  readonly expiresAt: number;
}

/** `anyone`: the node runs without identities (`--insecure`), on loopback. */
export type Caller = UserCaller | NodeCaller | { readonly kind: 'anyone' };

/** The name that stands in records. */
export function actorOf(caller: Caller): Actor | undefined {
  return caller.kind === 'anyone' ? undefined : { name: caller.id };
}

/** What `whoami` answers. */
export function actorView(caller: Caller): ActorView {
  switch (caller.kind) {
    case 'anyone':
      return { kind: 'anyone' };
    case 'node':
      return {
        kind: 'node',
        id: caller.id,
        ...(caller.name === undefined ? {} : { name: caller.name }),
        ...(caller.admin ? { role: 'admin' as const } : {}),
        credential: 'certificate',
        certificateExpiresAt: caller.expiresAt,
      };
    case 'user':
      return {
        kind: 'user',
        id: caller.id,
        name: caller.name,
        role: caller.role,
        credential: caller.credential,
        ...(caller.project === undefined ? {} : { project: caller.project }),
        ...(caller.expiresAt === undefined ? {} : { certificateExpiresAt: caller.expiresAt }),
      };
  }
}

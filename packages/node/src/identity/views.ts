/** Records of identity as the API shows them: never a hash, never a certificate nobody asked for. */
import type { AuditActor, AuditLine, RotationView, Token, User } from '@boi/cluster';
import type { AuditView, CaView, TokenView, UserView } from '@boi/core';
import type { Caller } from '../access/caller.ts';

export function auditActor(caller: Caller): AuditActor {
  return caller.kind === 'anyone' ? { kind: 'anyone' } : { kind: caller.kind, id: caller.id };
}

export function tokenView({
  id,
  createdAt,
  createdBy,
  expiresAt,
  bindName,
  bindKey,
  spent,
  revokedAt,
}: Token): TokenView {
  return {
    id,
    expiresAt,
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(bindName === undefined ? {} : { bindName }),
    ...(bindKey === undefined ? {} : { bindKey }),
    ...(spent === undefined ? {} : { spentBy: spent.node }),
    ...(revokedAt === undefined ? {} : { revokedAt }),
  };
}

export function userView({ id, name, role, project, createdAt, certificate, secretHash, revokedAt }: User): UserView {
  return {
    id,
    name,
    role,
    createdAt,
    credential: certificate !== undefined ? 'certificate' : secretHash !== undefined ? 'secret' : 'none',
    ...(project === undefined ? {} : { project }),
    ...(certificate === undefined ? {} : { certificateExpiresAt: certificate.notAfter }),
    ...(revokedAt === undefined ? {} : { revokedAt }),
  };
}

export function caView(cluster: string, { ca, members, usersToRenew }: RotationView): CaView {
  const { current, next, previous, phase, since, trustUntil } = ca;
  const trusted = [current, next, previous].flatMap((c) => (c === undefined ? [] : [c.pem]));
  return {
    cluster,
    fingerprint: current.fingerprint,
    notAfter: current.notAfter,
    phase,
    since,
    members: members.map((member) => ({ ...member })),
    usersToRenew: [...usersToRenew],
    ca: trusted.join(''),
    ...(next === undefined ? {} : { next: next.fingerprint }),
    ...(previous === undefined ? {} : { previous: previous.fingerprint }),
    ...(trustUntil === undefined ? {} : { trustUntil }),
  };
}

export function auditView({ id, at, actor, what, subject, before, after, node }: AuditLine): AuditView {
  return {
    id,
    at,
    actor: { kind: actor.kind, ...(actor.id === undefined ? {} : { id: actor.id }) },
    what,
    node,
    ...(subject === undefined ? {} : { subject }),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

/**
 * What `doctor` finds about certificates: the user's own, those of nodes, users and the CA, a rotation that is under way, and
 * whether clocks make one invalid. Whatever renews itself is looked at a good while before it expires: that it is not renewed
 * yet is what is wrong.
 */
import type { CaView, UserView } from '@boi/core';
import { displayName } from '@boi/core/names';
import { certificateOf } from '../credential-file.ts';
import { absolute, relative } from '../output/time.ts';
import { dueAt } from '../renewal.ts';
import type { Finding } from './doctor.ts';

const DAY_MS = 86_400_000;
/** Of a CA: to replace it, every node and every user must be reached. */
const CA_WARN_MS = 180 * DAY_MS;
const CA_ERROR_MS = 30 * DAY_MS;
/** A node renews with ten days left, and tries on. */
const NODE_WARN_MS = 7 * DAY_MS;
const NODE_ERROR_MS = DAY_MS;
/** A user's renews with thirty days left, when its owner uses it. */
const USER_WARN_MS = 14 * DAY_MS;

const check = 'certificates';

export interface OwnCertificate {
  readonly certificate: string;
  /** Of the context's own bundle; else a node of this machine keeps it current. */
  readonly own: boolean;
}

/** Of the user's own certificate; `skewMs`: how far the nodes' clocks are ahead of this one, where that is known. */
export function checkOwn({ certificate, own }: OwnCertificate, now: number, skewMs = 0): Finding[] {
  const found = certificateOf(certificate);
  if (found === undefined) return [];
  const [notBefore, notAfter] = [Date.parse(found.validFrom), Date.parse(found.validTo)];
  const there = now + skewMs;
  const next = own
    ? 'boi-node context refresh; once it has expired, an admin: boi-node user reissue'
    : 'boi-node join, on this machine';
  if (there < notBefore) {
    const finding = `yours is not valid before ${absolute(notBefore, now)} by the clocks of the nodes: clocks differ`;
    return [{ check, level: 'error', finding, next: 'timedatectl status, on both' }];
  }
  const finding = `yours ${notAfter <= there ? 'expired' : 'expires'} ${relative(notAfter, now)}`;
  if (notAfter <= there) return [{ check, level: 'error', finding, next }];
  if (there >= dueAt(certificate))
    return [{ check, level: 'warning', finding: `${finding} and was not renewed`, next }];
  return [{ check, level: 'ok', finding }];
}

export function checkCa(view: CaView, now: number): Finding[] {
  return [...checkRotation(view, now), checkAuthority(view, now), ...checkMembers(view, now)];
}

function checkAuthority({ notAfter, phase }: CaView, now: number): Finding {
  const finding = `the CA expires ${relative(notAfter, now)}`;
  const leftMs = notAfter - now;
  if (leftMs > CA_WARN_MS) return { check, level: 'ok', finding };
  const next = phase === 'stable' ? 'boi-node cluster ca rotate --plan' : 'boi-node cluster ca status';
  return { check, level: leftMs <= CA_ERROR_MS ? 'error' : 'warning', finding, next };
}

function checkRotation(view: CaView, now: number): Finding[] {
  const { phase, since, members, usersToRenew, trustUntil } = view;
  if (phase === 'stable') return [];
  const live = members.filter((member) => member.live);
  if (phase === 'planned') {
    const behind = live.filter((member) => !member.trusts);
    const finding = `the CA is being replaced, planned ${relative(since, now)}: ${live.length - behind.length} of ${live.length} live nodes trust the next one`;
    return [{ check, level: 'warning', finding, next: 'boi-node cluster ca rotate --execute, or --abort' }];
  }
  const nodes = members.filter((member) => !member.renewed).length;
  const wait = trustUntil !== undefined && trustUntil > now ? `, trusted until ${absolute(trustUntil, now)}` : '';
  const finding = `the CA is being replaced, since ${relative(since, now)}: ${nodes} nodes and ${usersToRenew.length} users have certificates of the old one${wait}`;
  const next =
    nodes > 0
      ? 'boi-node cluster ca status'
      : usersToRenew.length > 0
        ? 'boi-node context refresh, by each user'
        : 'boi-node cluster ca rotate --finalize';
  return [{ check, level: 'warning', finding, next }];
}

function checkMembers({ members }: CaView, now: number): Finding[] {
  const findings: Finding[] = [];
  for (const { id, name, live, notAfter } of members) {
    const leftMs = notAfter - now;
    if (leftMs > NODE_WARN_MS) continue;
    const finding = `that of node ${displayName(name, id)} ${leftMs <= 0 ? 'expired' : 'expires'} ${relative(notAfter, now)}`;
    const next = live
      ? 'boi-node cluster admin list; one of them must be running'
      : leftMs <= 0
        ? 'boi-node token create, and join there with it: it keeps its id'
        : 'boi-node join, on that host';
    findings.push({
      check,
      // One that is away can join again whenever it comes back.
      level: live && leftMs <= NODE_ERROR_MS ? 'error' : 'warning',
      finding: live ? `${finding} and was not renewed` : `${finding}; it is not live`,
      next,
    });
  }
  if (findings.length > 0 || members.length === 0) return findings;
  const first = Math.min(...members.map(({ notAfter }) => notAfter));
  return [{ check, level: 'ok', finding: `${members.length} of nodes, the first expires ${relative(first, now)}` }];
}

/** Asked as an admin. */
export function checkUsers(users: readonly UserView[], now: number): Finding[] {
  const findings: Finding[] = [];
  for (const { id, name, certificateExpiresAt: notAfter, revokedAt } of users) {
    if (revokedAt !== undefined || notAfter === undefined || notAfter - now > USER_WARN_MS) continue;
    const verb = notAfter <= now ? 'expired' : 'expires';
    findings.push({
      check,
      level: 'warning',
      finding: `that of user ${displayName(name, id)} ${verb} ${relative(notAfter, now)}`,
      next:
        notAfter <= now
          ? `boi-node user reissue ${id}, or boi-node user revoke ${id}`
          : 'any command of that user, with an admin node running',
    });
  }
  return findings;
}

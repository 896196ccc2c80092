/**
 * Rotation of the CA, without an interruption: at every moment each certificate that is in use is signed by a CA that all
 * nodes trust. That takes a step of its own before the switch, since nodes learn of a new CA one after another:
 *
 *     stable ──plan──► planned ──execute──► rotating ──finalize──► stable
 *                         └──abort──► stable   └──abort──► rotating, the two CAs having changed places
 *
 * planned: the new CA is trusted and signs nothing; `execute` is refused while a live node has not said that it trusts it.
 * rotating: the new one signs, the old one is trusted; `finalize` is refused while a member's certificate, or before
 * `trustUntil` a user's, is of the old one. Each step is one transaction that compares the CA's record unchanged, and so do
 * admissions and renewals: no certificate of the old CA can be recorded after the switch.
 */
import { BoiError, type NodeId } from '@boi/core';
import { wholeRange } from '../base/pages.ts';
import { lastPart } from '../keys.ts';
import type { RotationInput, RotationStep, RotationView } from './api-types.ts';
import { auditOp } from './audit.ts';
import { type Attempt, change, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type AuditActor, type CaRecord, identityCodecs } from './records.ts';
import { requireCa, signerOf, trustedOf } from './signer.ts';
import { listUsers } from './users.ts';

/** A day: long enough for an admin to reissue the certificates of people. */
export const TRUST_WINDOW_MS_DEFAULT = 24 * 3600_000;

export async function rotationView(deps: IdentityDeps): Promise<RotationView> {
  const { store, keys } = deps;
  const [found, members, live, users] = await Promise.all([
    find(deps, keys.ca(), identityCodecs.ca),
    wholeRange(store, keys.members()),
    wholeRange(store, keys.nodes(), { keysOnly: true }),
    listUsers(deps),
  ]);
  const ca = requireCa(found);
  const liveIds = new Set(live.kvs.map(({ key }) => lastPart(key)));
  const trusted = trustedOf(ca);
  return {
    ca,
    members: members.kvs.map(({ key, value }) => {
      const { name, certificate, trusts } = identityCodecs.member.decode(key, value);
      const id = lastPart(key) as NodeId;
      return {
        id,
        ...(name === undefined ? {} : { name }),
        live: liveIds.has(id),
        trusts: trusted.every(({ fingerprint }) => trusts.includes(fingerprint)),
        renewed: certificate.caFingerprint === ca.current.fingerprint,
        caFingerprint: certificate.caFingerprint,
        notAfter: certificate.notAfter,
      };
    }),
    usersToRenew: users
      .filter(({ revokedAt, certificate }) => revokedAt === undefined && isOther(certificate?.caFingerprint, ca))
      .map(({ id }) => id),
  };
}

export async function rotate(
  deps: IdentityDeps,
  step: RotationStep,
  input: RotationInput,
  actor: AuditActor,
): Promise<RotationView> {
  const { keys, clock, minter } = deps;
  const event = minter.mint('event');
  let sent: CaRecord | undefined;
  await change(deps, async (): Promise<Attempt<void>> => {
    const [{ ca, found, compares }, view] = await Promise.all([signerOf(deps), rotationView(deps)]);
    // An earlier sending of this very change, or somebody else's of the same, was applied.
    if (sent !== undefined && sameTrust(sent, ca)) return { done: undefined };
    const next = nextCa(step, ca, { ...input, view, now: clock.now() });
    if (next === undefined) return { done: undefined };
    sent = next;
    return {
      txn: {
        compares,
        success: [
          { op: 'put', key: keys.ca(), value: identityCodecs.ca.encode(next) },
          auditOp(deps, event, {
            actor,
            what: `ca.rotate.${step}`,
            subject: (next.next ?? next.current).fingerprint,
            before: found.modRevision,
          }),
        ],
      },
      applied: () => undefined,
      bringing: {
        kinds: ['cluster.ca_rotated'],
        events: () => [{ event: { kind: 'cluster.ca_rotated', step }, trace: { line: keys.audit(event) } }],
      },
    };
  });
  return rotationView(deps);
}

interface StepInput extends RotationInput {
  readonly view: Pick<RotationView, 'members' | 'usersToRenew'>;
  readonly now: number;
}

/** What the step makes of the CA's record; undefined: it is so already. Throws `wrong-state` saying what is to be done first. */
export function nextCa(step: RotationStep, ca: CaRecord, input: StepInput): CaRecord | undefined {
  const { now, view, force = false } = input;
  const { v, phase, current, next, previous } = ca;
  switch (step) {
    case 'plan': {
      const planned = input.next;
      if (planned === undefined) throw new BoiError('bad-request', 'plan needs the certificate of the new CA');
      if (phase === 'planned' && next?.fingerprint === planned.fingerprint) return undefined;
      if (phase !== 'stable') throw wrongPhase(step, phase, 'finalize or abort the rotation under way first');
      if (planned.fingerprint === current.fingerprint) {
        throw new BoiError('bad-request', 'the new CA is the one that signs already');
      }
      const trustWindowMs = input.trustWindowMs ?? TRUST_WINDOW_MS_DEFAULT;
      return { v, phase: 'planned', current, next: planned, trustWindowMs, since: now };
    }
    case 'execute': {
      if (phase !== 'planned' || next === undefined) throw wrongPhase(step, phase, 'plan it first');
      const missing = view.members.filter(({ live, trusts }) => live && !trusts).map(({ id }) => id);
      if (missing.length > 0 && !force) {
        throw notReady(`${missing.length} live nodes do not trust the new CA yet; wait a moment`, { nodes: missing });
      }
      const trustUntil = now + (ca.trustWindowMs ?? TRUST_WINDOW_MS_DEFAULT);
      return { v, phase: 'rotating', current: next, previous: current, since: now, trustUntil };
    }
    case 'finalize': {
      if (phase === 'stable') return undefined;
      if (phase !== 'rotating') throw wrongPhase(step, phase, 'execute it first');
      const nodes = view.members.filter(({ renewed }) => !renewed).map(({ id }) => id);
      if (nodes.length > 0 && !force) {
        throw notReady(`${nodes.length} nodes have not renewed; start them, remove them, or force it`, { nodes });
      }
      const users = now < (ca.trustUntil ?? 0) ? view.usersToRenew : [];
      if (users.length > 0 && !force) {
        throw notReady(`${users.length} users have not renewed and may until the trust window ends`, {
          users,
          trustUntil: ca.trustUntil,
        });
      }
      return { v, phase: 'stable', current, since: now };
    }
    case 'abort': {
      if (phase === 'stable' || ca.aborted === true) return undefined;
      if (phase === 'planned') return { v, phase: 'stable', current, since: now };
      if (previous === undefined) throw new Error('a rotation without a previous CA');
      const trustUntil = ca.trustUntil ?? now;
      return { v, phase: 'rotating', current: previous, previous: current, aborted: true, since: now, trustUntil };
    }
  }
}

function isOther(fingerprint: string | undefined, ca: CaRecord): boolean {
  return fingerprint !== undefined && fingerprint !== ca.current.fingerprint;
}

function sameTrust(a: CaRecord, b: CaRecord): boolean {
  return (
    a.phase === b.phase &&
    a.current.fingerprint === b.current.fingerprint &&
    a.next?.fingerprint === b.next?.fingerprint &&
    a.previous?.fingerprint === b.previous?.fingerprint
  );
}

function wrongPhase(step: RotationStep, phase: string, todo: string): BoiError {
  return new BoiError('wrong-state', `${step}: the CA is ${phase}; ${todo}`, { details: { phase } });
}

function notReady(message: string, details: Readonly<Record<string, unknown>>): BoiError {
  return new BoiError('wrong-state', message, { details, retryAfterS: 5 });
}

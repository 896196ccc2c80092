/**
 * Users: people and scripts with a role, and a certificate or a bearer secret of which only the hash is known. Names are
 * labels and may collide; ids never change, so that a lost credential is replaced by reissuing for the same id.
 */
import { BoiError, compareNamed, isId, type ProjectId, requireName, type UserId, type UserRole } from '@boi/core';
import { absent } from '@boi/store';
import { wholeRange } from '../base/pages.ts';
import { lastPart } from '../keys.ts';
import { SCHEMA_VERSION } from '../records.ts';
import type { CreateUserInput, User, UserCredentialInput } from './api-types.ts';
import { auditOp } from './audit.ts';
import { type Attempt, asFound, change, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type AuditActor, type CertificateRecord, identityCodecs, type UserRecord } from './records.ts';
import { requireCa, requireCurrent, signerOf } from './signer.ts';

/** All of them are in the memory of each node. */
export const USERS_MAX = 10_000;
/** Certificates that were renewed and are good still: one for each machine that has the bundle, and for lost answers. */
export const PREVIOUS_MAX = 8;

/** What a credential adds to a user's record, and what its recording compares. */
async function credentialOf(deps: IdentityDeps, id: UserId, input: UserCredentialInput) {
  if ('hash' in input) {
    requireCa(await find(deps, deps.keys.ca(), identityCodecs.ca));
    // Once there is a CA there always is: nothing to compare.
    return { compares: [], fields: { secretHash: input.hash(id) } };
  }
  const signer = await signerOf(deps);
  const certificate = await input.issue(id);
  requireCurrent(signer.ca, certificate.caFingerprint);
  return { compares: signer.compares, fields: { certificate } };
}

export async function createUser(deps: IdentityDeps, input: CreateUserInput, actor: AuditActor): Promise<User> {
  const { store, keys, clock, minter } = deps;
  const name = requireName('user', input.name);
  const { kvs } = await wholeRange(store, keys.users(), { keysOnly: true });
  if (kvs.length >= USERS_MAX) {
    throw new BoiError('too-large', `there are ${kvs.length} users; ${USERS_MAX} is the most`, {
      details: { usersMax: USERS_MAX },
    });
  }
  const id = minter.mint('user');
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<User>> => {
    const found = await find(deps, keys.user(id), identityCodecs.user);
    if (found.record !== undefined) return { done: { ...found.record, id } };
    const { compares, fields } = await credentialOf(deps, id, input.credential);
    const record: UserRecord = {
      v: SCHEMA_VERSION,
      name,
      ...rights(input.role, input.project),
      ...fields,
      createdAt: clock.now(),
      ...(actor.id === undefined ? {} : { createdBy: actor.id }),
    };
    return {
      txn: {
        compares: [...compares, absent(keys.user(id))],
        success: [
          { op: 'put', key: keys.user(id), value: identityCodecs.user.encode(record) },
          auditOp(deps, event, { actor, what: 'user.create', subject: id }),
        ],
      },
      applied: () => ({ ...record, id }),
    };
  });
}

export async function listUsers({ store, keys }: Pick<IdentityDeps, 'store' | 'keys'>, name?: string): Promise<User[]> {
  const { kvs } = await wholeRange(store, keys.users());
  return kvs
    .map(({ key, value }) => ({ ...identityCodecs.user.decode(key, value), id: lastPart(key) as UserId }))
    .filter((user) => name === undefined || user.name === name)
    .sort(compareNamed);
}

export async function resolveUser(deps: IdentityDeps, idOrName: string): Promise<User> {
  if (isId(idOrName, 'user')) {
    const { record } = await find(deps, deps.keys.user(idOrName), identityCodecs.user);
    if (record !== undefined) return { ...record, id: idOrName };
    throw noUser(idOrName);
  }
  const named = await listUsers(deps, idOrName);
  const [only, ...others] = named;
  if (only === undefined) throw noUser(idOrName);
  if (others.length === 0) return only;
  throw new BoiError('ambiguous-name', `${named.length} users have this name; use an id`, {
    details: { candidates: named.slice(0, 20).map(({ id }) => id) },
  });
}

export function revokeUser(deps: IdentityDeps, id: UserId, actor: AuditActor): Promise<User> {
  return update(deps, id, 'user.revoke', actor, async (user) => {
    if (user.revokedAt !== undefined) return undefined;
    const { secretHash: _secret, previous: _previous, ...kept } = user;
    return { record: { ...kept, revokedAt: deps.clock.now() }, compares: [] };
  });
}

export function reissueUser(
  deps: IdentityDeps,
  id: UserId,
  credential: UserCredentialInput,
  actor: AuditActor,
): Promise<User> {
  let sent: UserRecord | undefined;
  return update(deps, id, 'user.reissue', actor, async (user) => {
    // Its answer was lost; the credential that the caller has is the one that was stored.
    if (sent !== undefined && sameCredential(sent, user)) return undefined;
    if (user.revokedAt !== undefined) throw new BoiError('wrong-state', `${id} was revoked; make a new user`);
    const { certificate: _certificate, previous: _previous, secretHash: _secret, ...kept } = user;
    const { compares, fields } = await credentialOf(deps, id, credential);
    sent = { ...kept, ...fields };
    return { record: sent, compares };
  });
}

/**
 * What was shown stays good until it expires, like a node's (admit.ts): this answer may be lost, and the same bundle may be on
 * another machine, which renews for itself.
 */
export function renewUser(
  deps: IdentityDeps,
  id: UserId,
  presented: string,
  certificate: CertificateRecord,
): Promise<User> {
  const actor: AuditActor = { kind: 'user', id };
  return update(deps, id, 'user.renew', actor, async (user) => {
    if (user.certificate?.fingerprint === certificate.fingerprint) return undefined;
    const { certificate: newest, previous = [] } = user;
    const held =
      newest === undefined ? [] : [{ fingerprint: newest.fingerprint, notAfter: newest.notAfter }, ...previous];
    if (user.revokedAt !== undefined || !held.some(({ fingerprint }) => fingerprint === presented)) {
      throw new BoiError('unauthenticated', 'the certificate was revoked or replaced', {
        details: { reason: 'revoked' },
      });
    }
    const signer = await signerOf(deps);
    requireCurrent(signer.ca, certificate.caFingerprint);
    const now = deps.clock.now();
    // The one that was shown first: it is what its holder goes on with if this answer is lost.
    const kept = [
      ...held.filter(({ fingerprint }) => fingerprint === presented),
      ...held.filter(({ fingerprint }) => fingerprint !== presented),
    ].filter(({ notAfter }) => notAfter > now);
    return { record: { ...user, certificate, previous: kept.slice(0, PREVIOUS_MAX) }, compares: signer.compares };
  });
}

type Update = { readonly record: UserRecord; readonly compares: Awaited<ReturnType<typeof credentialOf>>['compares'] };

/** Reads the user and writes what `decide` makes of it; undefined: it is so already. */
function update(
  deps: IdentityDeps,
  id: UserId,
  what: string,
  actor: AuditActor,
  decide: (user: UserRecord) => Promise<Update | undefined>,
): Promise<User> {
  const { keys, minter } = deps;
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<User>> => {
    const found = await find(deps, keys.user(id), identityCodecs.user);
    if (found.record === undefined) throw noUser(id);
    const made = await decide(found.record);
    if (made === undefined) return { done: { ...found.record, id } };
    return {
      txn: {
        compares: [...made.compares, asFound(found)],
        success: [
          { op: 'put', key: keys.user(id), value: identityCodecs.user.encode(made.record) },
          auditOp(deps, event, { actor, what, subject: id, before: found.modRevision }),
        ],
      },
      applied: () => ({ ...made.record, id }),
    };
  });
}

function sameCredential(a: UserRecord, b: UserRecord): boolean {
  return a.certificate?.fingerprint === b.certificate?.fingerprint && a.secretHash === b.secretHash;
}

function rights(role: UserRole, project: ProjectId | undefined) {
  return { role, ...(project === undefined ? {} : { project }) };
}

function noUser(idOrName: string): BoiError {
  return new BoiError('not-found', `there is no user ${idOrName}`);
}

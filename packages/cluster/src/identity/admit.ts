/**
 * Admission of a node by a join token, and renewal of its certificate.
 *
 * One transaction spends the token, puts the member and says which key it has. It compares the token as it was read (absent
 * for one that was made offline), so of two joins that race for one token one is admitted and the other finds it spent. The
 * host whose answer was lost asks again with the same key and is answered the same. A key is one node for ever: with another
 * token it gets a new certificate for the same id; no other key ever gets that id.
 */
import { BoiError, type NodeId, requireName } from '@boi/core';
import { absent, type Op } from '@boi/store';
import { SCHEMA_VERSION } from '../records.ts';
import type { AdmitAnswer, AdmitInput, AdmittedNode } from './api-types.ts';
import { auditOp } from './audit.ts';
import { type Attempt, asFound, change, type Found, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type CertificateRecord, identityCodecs, type MemberRecord, type TokenRecord } from './records.ts';
import { requireCurrent, signerOf, trustBundleOf, trustedOf } from './signer.ts';

export function admit(deps: IdentityDeps, input: AdmitInput): Promise<AdmitAnswer> {
  const { keys, clock, minter } = deps;
  const { token, keyFingerprint, name, address } = input;
  if (name !== undefined) requireName('node', name);
  const newId = minter.mint('node');
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<AdmitAnswer>> => {
    const [signer, tokenFound, keyFound] = await Promise.all([
      signerOf(deps),
      find(deps, keys.token(token.id), identityCodecs.token),
      find(deps, keys.memberKey(keyFingerprint), identityCodecs.memberKey),
    ]);
    const spent = tokenFound.record?.spent;
    if (spent !== undefined) {
      const member = spent.keyFingerprint === keyFingerprint ? await memberOf(deps, spent.node) : undefined;
      if (member?.record?.certificate.keyFingerprint !== keyFingerprint) throw tokenSpent();
      const { certificate } = member.record;
      return { done: { node: spent.node, certificate, trust: trustBundleOf(signer.ca), existing: true } };
    }
    checkToken(input, tokenFound.record, clock.now());

    const id = keyFound.record?.node ?? newId;
    const before = await memberOf(deps, id);
    const certificate = await input.issue(id);
    requireCurrent(signer.ca, certificate.caFingerprint);
    requireKey(certificate, keyFingerprint);
    const now = clock.now();
    const member: MemberRecord = {
      v: SCHEMA_VERSION,
      ...(name === undefined ? {} : { name }),
      ...(address === undefined ? {} : { address }),
      certificate,
      joinedAt: before.record?.joinedAt ?? now,
      ...(before.record === undefined ? {} : { renewedAt: now }),
      token: token.id,
      trusts: trustedOf(signer.ca).map(({ fingerprint }) => fingerprint),
    };
    const spending: TokenRecord = {
      ...(tokenFound.record ?? { v: SCHEMA_VERSION, expiresAt: token.expiresAt }),
      spent: { at: now, node: id, keyFingerprint },
    };
    return {
      txn: {
        compares: [...signer.compares, asFound(tokenFound), asFound(keyFound), asFound(before)],
        success: [
          { op: 'put', key: keys.token(token.id), value: identityCodecs.token.encode(spending) },
          { op: 'put', key: keys.member(id), value: identityCodecs.member.encode(member) },
          memberKeyOp(deps, keyFingerprint, id),
          auditOp(deps, event, {
            actor: { kind: 'token', id: token.id },
            what: 'join',
            subject: id,
            before: before.modRevision,
          }),
        ],
      },
      applied: () => ({ node: id, certificate, trust: trustBundleOf(signer.ca), existing: false }),
    };
  });
}

/** All that can be wrong with a token beyond its signature, each with a code of its own. */
function checkToken({ token, keyFingerprint, name }: AdmitInput, record: TokenRecord | undefined, now: number): void {
  if (record?.revokedAt !== undefined) throw new BoiError('token-revoked', 'the token was revoked; ask for a new one');
  if (now >= token.expiresAt) throw new BoiError('token-expired', 'the token has expired; ask for a new one');
  const { bind } = token;
  if (bind.name !== undefined && bind.name !== name) {
    throw new BoiError('token-binding', 'the token is for a node of another name; join with --name as it was made for');
  }
  if (bind.key !== undefined && bind.key !== keyFingerprint) {
    throw new BoiError('token-binding', 'the token is for a node with another key');
  }
}

/** A new certificate for a member. The one it showed stays good until it expires, since this answer may be lost. */
export function renewMember(
  deps: IdentityDeps,
  node: NodeId,
  presented: string,
  certificate: CertificateRecord,
  address?: string,
): Promise<AdmittedNode> {
  const { keys, clock, minter } = deps;
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<AdmittedNode>> => {
    const [signer, found] = await Promise.all([signerOf(deps), memberOf(deps, node)]);
    const { record } = found;
    if (record?.certificate.fingerprint === certificate.fingerprint) return { done: { ...record, id: node } };
    if (record === undefined || (presented !== record.certificate.fingerprint && presented !== record.previous)) {
      throw replaced();
    }
    requireCurrent(signer.ca, certificate.caFingerprint);
    const oldKey = record.certificate.keyFingerprint;
    const newKey = certificate.keyFingerprint;
    const renewed: MemberRecord = {
      ...record,
      ...(address === undefined ? {} : { address }),
      certificate,
      previous: presented,
      renewedAt: clock.now(),
    };
    if (
      newKey !== oldKey &&
      (await find(deps, keys.memberKey(newKey), identityCodecs.memberKey)).record !== undefined
    ) {
      throw new BoiError('identity-in-use', 'another node has this key; make a new one');
    }
    const swap: Op[] =
      newKey === oldKey ? [] : [{ op: 'delete', key: keys.memberKey(oldKey) }, memberKeyOp(deps, newKey, node)];
    return {
      txn: {
        compares: [...signer.compares, asFound(found), ...(newKey === oldKey ? [] : [absent(keys.memberKey(newKey))])],
        success: [
          { op: 'put', key: keys.member(node), value: identityCodecs.member.encode(renewed) },
          ...swap,
          auditOp(deps, event, {
            actor: { kind: 'node', id: node },
            what: 'cert.renew',
            subject: node,
            before: found.modRevision,
          }),
        ],
      },
      applied: () => ({ ...renewed, id: node }),
    };
  });
}

export function memberOf(deps: IdentityDeps, node: NodeId): Promise<Found<MemberRecord>> {
  return find(deps, deps.keys.member(node), identityCodecs.member);
}

function memberKeyOp({ keys }: IdentityDeps, fingerprint: string, node: NodeId): Op {
  const value = identityCodecs.memberKey.encode({ v: SCHEMA_VERSION, node });
  return { op: 'put', key: keys.memberKey(fingerprint), value };
}

/** What showed it is not the newest one, nor the one before. */
function replaced(): BoiError {
  return new BoiError('unauthenticated', 'the certificate was revoked or replaced', { details: { reason: 'revoked' } });
}

/** A programmer's error of the caller that must not become a member with somebody else's key. */
function requireKey({ keyFingerprint }: CertificateRecord, requested: string): void {
  if (keyFingerprint !== requested) throw new Error('the certificate was issued for another key than was asked for');
}

function tokenSpent(): BoiError {
  return new BoiError('token-spent', 'the token was used already; ask for a new one');
}

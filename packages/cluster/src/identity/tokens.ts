/**
 * Join tokens as the store knows them: made, used, revoked. A token itself is never here. One that was made offline with the
 * CA's key has no record until it is used or revoked; both are then written as for any other.
 */
import { BoiError, type TokenId } from '@boi/core';
import { wholeRange } from '../base/pages.ts';
import { lastPart } from '../keys.ts';
import { SCHEMA_VERSION } from '../records.ts';
import type { CreateTokenInput, Token } from './api-types.ts';
import { auditOp } from './audit.ts';
import { type Attempt, asFound, change, find } from './change.ts';
import type { IdentityDeps } from './deps.ts';
import { type AuditActor, identityCodecs, type TokenRecord } from './records.ts';
import { requireCurrent, signerOf } from './signer.ts';

/** No token lives longer: a revocation of one that is not known is kept for so long. Seven days, as `@boi/identity` has it. */
const TTL_MS_MAX = 7 * 24 * 3600_000;

export function createToken(deps: IdentityDeps, input: CreateTokenInput, actor: AuditActor): Promise<Token> {
  const { keys, clock, minter } = deps;
  const { id, expiresAt, bind = {} } = input;
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<Token>> => {
    const [signer, found] = await Promise.all([signerOf(deps), find(deps, keys.token(id), identityCodecs.token)]);
    if (found.record !== undefined) return { done: { ...found.record, id } };
    requireCurrent(signer.ca, input.caFingerprint);
    const record: TokenRecord = {
      v: SCHEMA_VERSION,
      createdAt: clock.now(),
      ...(actor.id === undefined ? {} : { createdBy: actor.id }),
      expiresAt,
      ...(bind.name === undefined ? {} : { bindName: bind.name }),
      ...(bind.key === undefined ? {} : { bindKey: bind.key }),
    };
    return {
      txn: {
        compares: [...signer.compares, asFound(found)],
        success: [
          { op: 'put', key: keys.token(id), value: identityCodecs.token.encode(record) },
          auditOp(deps, event, { actor, what: 'token.create', subject: id }),
        ],
      },
      applied: () => ({ ...record, id }),
    };
  });
}

export async function listTokens({ store, keys }: IdentityDeps): Promise<Token[]> {
  const { kvs } = await wholeRange(store, keys.tokens());
  return kvs
    .map(({ key, value }) => ({ ...identityCodecs.token.decode(key, value), id: lastPart(key) as TokenId }))
    .reverse();
}

export function revokeToken(deps: IdentityDeps, id: TokenId, actor: AuditActor): Promise<Token> {
  const { keys, clock, minter } = deps;
  const event = minter.mint('event');
  return change(deps, async (): Promise<Attempt<Token>> => {
    const found = await find(deps, keys.token(id), identityCodecs.token);
    if (found.record?.spent !== undefined) {
      throw new BoiError('token-spent', `the token was used by ${found.record.spent.node}; remove that node instead`, {
        details: { node: found.record.spent.node },
      });
    }
    if (found.record?.revokedAt !== undefined) return { done: { ...found.record, id } };
    const now = clock.now();
    const record: TokenRecord = {
      ...(found.record ?? { v: SCHEMA_VERSION, expiresAt: now + TTL_MS_MAX }),
      revokedAt: now,
    };
    return {
      txn: {
        compares: [asFound(found)],
        success: [
          { op: 'put', key: keys.token(id), value: identityCodecs.token.encode(record) },
          auditOp(deps, event, { actor, what: 'token.revoke', subject: id, before: found.modRevision }),
        ],
      },
      applied: () => ({ ...record, id }),
    };
  });
}

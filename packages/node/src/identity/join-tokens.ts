/**
 * Join tokens for nodes that a provisioner makes: short-lived, minted by this node while it has the admin capability, audited as
 * its own doing.
 */
import type { ClusterIdentity, JoinTokens } from '@boi/cluster';
import { BoiError, type NodeId, type TokenId } from '@boi/core';
import { mintJoinToken } from '@boi/identity';
import { systemClock as clock, systemRandom as random } from '@boi/system';
import type { Signing } from './signing.ts';

export interface JoinTokensOptions {
  readonly identity: ClusterIdentity;
  readonly signing: Signing;
  readonly cluster: string;
  readonly self: NodeId;
  /** Addresses of admin nodes, this one's first. */
  readonly boot: () => readonly string[];
}

export function joinTokens({ identity, signing, cluster, self, boot }: JoinTokensOptions): JoinTokens {
  const actor = { kind: 'node', id: self } as const;
  return {
    mayMint: (node) => identity.directory.isAdmin(node),
    async mint(ttlMs) {
      const authority = await signing.authority();
      const minted = await mintJoinToken({ clock, random }, { authority, cluster, boot: boot(), ttlMs });
      const { id, expiresAt } = minted.claims;
      await identity.createToken({ id, expiresAt, caFingerprint: authority.fingerprint }, actor);
      return { id, token: minted.token };
    },
    async revoke(id) {
      await identity.revokeToken(id, actor).catch((error: unknown) => {
        if (!(error instanceof BoiError && error.code === 'token-spent')) throw error;
      });
    },
    /** From the store and not from the directory, which may not have heard of the node yet. */
    async usedBy(node): Promise<TokenId | undefined> {
      return (await identity.listTokens()).find(({ spent }) => spent?.node === node)?.id;
    },
    expel: (node) => identity.expelMember(node, actor),
  };
}

/** What provisioning asks of the daemon: a plugin that makes nodes, and on a secure cluster tokens with which they join. */
import type { NodeId, ProvisionId, Requirement, TokenId } from '@boi/core';

export interface NodeWanted {
  readonly id: ProvisionId;
  readonly requires: readonly Requirement[];
  readonly slots: number;
  readonly tasks: number;
  /** Absent on an insecure cluster. */
  readonly token?: string;
  /** Addresses of nodes of the cluster, at least one. */
  readonly bootstrap: readonly string[];
  readonly deadlineAt: number;
  /** What the node must advertise besides its own. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Both may be repeated after any failure: the request's id is the node. */
export interface ProvisionerPort {
  /** Resolves when it has begun, or is not willing; rejects when that is not known. */
  provision(wanted: NodeWanted, signal: AbortSignal): Promise<'begun' | 'refused'>;
  /** Resolves when nothing of the request is left. */
  deprovision(id: ProvisionId, signal: AbortSignal): Promise<void>;
}

/** Join tokens, minted by this node. */
export interface JoinTokens {
  /** Whether that node has the admin capability. */
  mayMint(node: NodeId): boolean;
  mint(ttlMs: number): Promise<{ readonly id: TokenId; readonly token: string }>;
  /** A token that was used already is none any more: no error. */
  revoke(id: TokenId): Promise<void>;
  /** With what the node joined. */
  usedBy(node: NodeId): Promise<TokenId | undefined>;
  /** Ends the membership of a node that was removed. */
  expel(node: NodeId): Promise<void>;
}

export interface ProvisionerOptions {
  readonly plugin: ProvisionerPort;
  /** Absent on an insecure cluster, where a node joins without. */
  readonly tokens?: JoinTokens;
}

/** The label by which a node that joins says for which request it was made. */
export const REQUEST_LABEL = 'boi.request';

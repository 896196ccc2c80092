/**
 * What identity offers to the daemon and to commands that run without one: `ClusterIdentity` (cluster-identity.ts) over a
 * store. Nothing cryptographic happens here: certificates are issued, tokens verified and secrets hashed by whoever calls
 * (`@boi/identity`); what is decided here is whether a transaction may record them.
 *
 * Every change is one transaction with its audit record in it, and compares that this node is an admin when something was
 * signed and that the CA it was signed with still signs. All can be repeated after a lost answer: an own effect that is
 * found is answered as done. `outcome-unknown` after {@link IDENTITY_LIMIT_MS} without a definite answer.
 */
import type { EventId, NodeId, ProjectId, TokenId, UserId, UserRole } from '@boi/core';
import type {
  AdminRecord,
  AuditActor,
  CaCertificateRecord,
  CaRecord,
  CertificateRecord,
  MemberRecord,
  TokenRecord,
  UserRecord,
} from './records.ts';

/** Longest that a change is tried to be settled. */
export const IDENTITY_LIMIT_MS = 10_000;

/** A record with its id. */
export type With<I extends string, T> = T & { readonly id: I };
export type AdmittedNode = With<NodeId, MemberRecord>;
export type User = With<UserId, UserRecord>;
export type Token = With<TokenId, TokenRecord>;
export type Admin = With<NodeId, AdminRecord>;

/** What a certificate says of who presents it, verified by `@boi/identity`. */
export interface PresentedCertificate {
  readonly role: 'node' | 'user' | 'plugin';
  readonly id: string;
  readonly fingerprint: string;
}

export type Standing =
  | { readonly ok: true; readonly role: 'node'; readonly node: AdmittedNode; readonly admin: boolean }
  | { readonly ok: true; readonly role: 'user'; readonly user: User }
  /** `unknown`: there is no such member or user. `revoked`: revoked, or replaced by a newer certificate. */
  | { readonly ok: false; readonly reason: 'unknown' | 'revoked' };

/**
 * Members, users, admins and the CA in memory, kept current by watches: a look-up costs no request, and a revocation holds
 * within a watch's delay. While the store is away it answers what was known last.
 */
export interface IdentityDirectory {
  /** Resolves when all is read. Rejects only when stopped before. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Undefined: the cluster has no CA (it was not made by `cluster init`). */
  ca(): CaRecord | undefined;
  /** PEM of all CAs that are trusted now, the one that signs first. Empty without a CA. */
  trustBundle(): string;
  member(node: NodeId): AdmittedNode | undefined;
  user(user: UserId): User | undefined;
  isAdmin(node: NodeId): boolean;
  admins(): readonly Admin[];
  standing(presented: PresentedCertificate): Standing;
  /** After any change of the CA, the admins, members or users, the view being current. Answers an unsubscribe. */
  onChange(fn: () => void): () => void;
}

/** What a certificate is issued for: called with the id, which is minted here. May be called again for another. */
export type Issue<I extends string> = (id: I) => Promise<CertificateRecord>;

export interface FoundInput {
  /** Id of the cluster, as its founder's files have it. */
  readonly cluster: string;
  readonly ca: CaCertificateRecord;
  readonly node: NodeId;
  readonly certificate: CertificateRecord;
  readonly name?: string;
  readonly address?: string;
}

export interface FoundAnswer {
  readonly cluster: string;
  readonly defaultProject: ProjectId;
  /** It had been founded by this node before: nothing was written. */
  readonly existing: boolean;
}

export interface AdmitInput {
  /** Claims of a token whose signature and life were verified. */
  readonly token: {
    readonly id: TokenId;
    readonly expiresAt: number;
    readonly bind: { readonly name?: string; readonly key?: string };
  };
  /** Of the public key of a verified request. */
  readonly keyFingerprint: string;
  readonly name?: string;
  readonly address?: string;
  readonly issue: Issue<NodeId>;
}

export interface AdmitAnswer {
  readonly node: NodeId;
  readonly certificate: CertificateRecord;
  /** The CAs to trust, in PEM. */
  readonly trust: string;
  /** This key had been admitted with this token before; the certificate is that of then. */
  readonly existing: boolean;
}

export interface CreateTokenInput {
  readonly id: TokenId;
  readonly expiresAt: number;
  readonly bind?: { readonly name?: string; readonly key?: string };
  /** CA that signed it. */
  readonly caFingerprint: string;
}

export interface CreateUserInput {
  readonly name: string;
  readonly role: UserRole;
  readonly project?: ProjectId;
  /** One of the two. */
  readonly credential: UserCredentialInput;
}

/** `secret`: called with the user's id, answers the hash to store; the secret itself stays with the caller. */
export type UserCredentialInput = { readonly issue: Issue<UserId> } | { readonly hash: (user: UserId) => string };

export type RotationStep = 'plan' | 'execute' | 'finalize' | 'abort';

export interface RotationInput {
  /** Of `plan`: the CA that will sign. */
  readonly next?: CaCertificateRecord;
  /** Of `plan`. Default 24 h. */
  readonly trustWindowMs?: number;
  /** Of `execute`: also while live nodes do not trust it yet. Of `finalize`: also while nodes have not renewed. */
  readonly force?: boolean;
}

export interface RotationView {
  readonly ca: CaRecord;
  readonly members: readonly {
    readonly id: NodeId;
    readonly name?: string;
    readonly live: boolean;
    /** It trusts every CA that is trusted now. */
    readonly trusts: boolean;
    /** Its certificate is of the CA that signs. */
    readonly renewed: boolean;
    readonly caFingerprint: string;
    readonly notAfter: number;
  }[];
  /** Users who are not revoked and have a certificate of another CA than the one that signs. */
  readonly usersToRenew: readonly UserId[];
}

export interface AuditInput {
  readonly actor: AuditActor;
  readonly what: string;
  readonly subject?: string;
  readonly before?: string;
  readonly after?: string;
}

export interface AuditLine extends Omit<AuditInput, 'subject'> {
  readonly id: EventId;
  readonly at: number;
  readonly subject?: string;
  readonly node: NodeId;
}

export interface AuditQuery {
  /** Lines after this one. */
  readonly after?: EventId;
  /** Without `after`: lines of this wall clock and later. Default: the last 24 h. */
  readonly since?: number;
  /** Id of a user, node or token. */
  readonly actor?: string;
  /** 1–1000, default 100. */
  readonly limit?: number;
}

export interface IdentityApi {
  readonly directory: IdentityDirectory;

  /** Creates the cluster. Throws `already-initialised` when the prefix has anything that this founder did not write. */
  found(input: FoundInput): Promise<FoundAnswer>;
  /**
   * Throws `not-admin-node`, `token-spent`, `token-revoked`, `token-expired`, `token-binding`; nothing is written then. A key
   * that is a member already keeps its id and gets a new certificate.
   */
  admit(input: AdmitInput): Promise<AdmitAnswer>;
  /** A new certificate for a member that showed `presented`. Throws `unauthenticated` when it is not one any more. */
  renewMember(node: NodeId, presented: string, certificate: CertificateRecord, address?: string): Promise<AdmittedNode>;
  /** Its certificate is refused from now on. Throws `wrong-state` for an admin: revoke that first. Idempotent. */
  removeMember(node: NodeId, actor: AuditActor): Promise<void>;
  /** The same for one that lives, whose session ends with it. Throws `wrong-state` also for the node that is asked itself. */
  expelMember(node: NodeId, actor: AuditActor): Promise<void>;
  /** This node trusts these CAs now: what `execute` waits for. */
  acknowledgeTrust(fingerprints: readonly string[]): Promise<void>;

  createToken(input: CreateTokenInput, actor: AuditActor): Promise<Token>;
  /** Newest first. */
  listTokens(): Promise<readonly Token[]>;
  /** Idempotent, also for one made offline, which is not known. Throws `token-spent` for one that was used. */
  revokeToken(token: TokenId, actor: AuditActor): Promise<Token>;

  /** Throws `invalid-name`, `reserved-identifier`, `not-admin-node` (for a certificate), `too-large` (too many users). */
  createUser(input: CreateUserInput, actor: AuditActor): Promise<User>;
  /** From the store, named first. */
  listUsers(query?: { readonly name?: string }): Promise<readonly User[]>;
  /** By id or name. Throws `not-found` or `ambiguous-name`. */
  resolveUser(idOrName: string): Promise<User>;
  /** Idempotent. */
  revokeUser(user: UserId, actor: AuditActor): Promise<User>;
  /** A new credential for the same user; whatever it had before is refused from now on. Throws `wrong-state` when revoked. */
  reissueUser(user: UserId, credential: UserCredentialInput, actor: AuditActor): Promise<User>;
  /** A new certificate for the user who showed `presented`. Throws `unauthenticated` when that is not good any more. */
  renewUser(user: UserId, presented: string, certificate: CertificateRecord): Promise<User>;

  listAdmins(): Promise<readonly Admin[]>;
  /** After the node has the CA's key. Idempotent. Throws `not-found` when it is no member. */
  grantAdmin(node: NodeId, actor: AuditActor): Promise<readonly Admin[]>;
  /** Throws `wrong-state` for the last one. Idempotent. */
  revokeAdmin(node: NodeId, actor: AuditActor): Promise<readonly Admin[]>;

  rotation(): Promise<RotationView>;
  /** Throws `wrong-state` when the phase does not allow the step, or members are not ready and `force` is not given. */
  rotate(step: RotationStep, input: RotationInput, actor: AuditActor): Promise<RotationView>;

  /** Resolves when it is durable. Lines of the same moment share one request. Throws `outcome-unknown`, `unavailable`. */
  audit(line: AuditInput): Promise<void>;
  /** Ascending. `next` is the `after` of the next page; absent at the end. */
  listAudit(query?: AuditQuery): Promise<{ readonly items: readonly AuditLine[]; readonly next?: EventId }>;
  /** Calls `onLine` for each line after `after` (default: from now on), in the order they became durable, until aborted. */
  followAudit(
    query: Pick<AuditQuery, 'after' | 'actor'>,
    onLine: (line: AuditLine) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

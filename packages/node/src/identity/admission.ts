/**
 * What an admin node signs for who comes with a credential of its own: the certificate of a node that joins with a token, and
 * of a node or a user that renews. A certificate is renewed for the key it is for, so that who sees one request or answer has
 * gained nothing.
 */
import type { IdentityApi } from '@boi/cluster';
import {
  BoiError,
  type Clock,
  type NodeId,
  type Random,
  type RouteAnswer,
  type RouteBody,
  requireName,
} from '@boi/core';
import { hostsOfAddress, readSigningRequest, verifyJoinToken } from '@boi/identity';
import type { Caller } from '../access/caller.ts';
import type { Keychain } from './keychain.ts';
import type { Signing } from './signing.ts';

export interface AdmissionOptions {
  readonly keychain: Keychain;
  readonly signing: Signing;
  readonly identity: IdentityApi;
  /** Where the store of the cluster is, for nodes that join. */
  readonly etcd: readonly string[];
  readonly prefix: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** Throws `token-…`, `not-admin-node`, `bad-request`, `invalid-name`; nothing is written then. */
export async function admitNode(options: AdmissionOptions, body: RouteBody<'join'>): Promise<RouteAnswer<'join'>> {
  const { keychain, signing, identity, etcd, prefix, clock, random } = options;
  const { cluster, trusted } = keychain;
  const token = await verifyJoinToken(body.token, { cluster, trusted, now: clock.now() });
  const { name } = body;
  if (name !== undefined) requireName('node', name, '/body/name');
  const hosts = hostsOfNode(body.address);
  const request = await readSigningRequest(body.csr, '/body/csr');
  const authority = await signing.authority();
  const { node, certificate, trust } = await identity.admit({
    token,
    keyFingerprint: request.keyFingerprint,
    address: body.address,
    ...(name === undefined ? {} : { name }),
    issue: (id) => authority.issue({ clock, random }, { request, cluster, role: 'node', id, hosts }),
  });
  return { node, cluster, certificate: certificate.pem, ca: trust, etcd: [...etcd], prefix };
}

/**
 * A new certificate for a node, for its address of now. `presented` is the fingerprint of the certificate it showed, not of
 * the newest in its record: answers may be lost, and the one it has must stay good however often it asks.
 */
export async function renewNode(
  options: AdmissionOptions,
  node: NodeId,
  presented: string,
  body: RouteBody<'cert.renew'>,
): Promise<RouteAnswer<'cert.renew'>> {
  const { keychain, signing, identity, clock, random } = options;
  const hosts = hostsOfNode(body.address);
  const request = await readSigningRequest(body.csr, '/body/csr');
  const authority = await signing.authority();
  const member = identity.directory.member(node);
  if (member === undefined)
    throw new BoiError('unauthenticated', `${node} is not a member`, { details: { reason: 'unknown' } });
  if (member.certificate.keyFingerprint !== request.keyFingerprint) throw otherKey('another key needs a join token');
  const certificate = await authority.issue(
    { clock, random },
    { request, cluster: keychain.cluster, role: 'node', id: node, hosts },
  );
  await identity.renewMember(node, presented, certificate, body.address);
  return { certificate: certificate.pem, ca: identity.directory.trustBundle() };
}

/** A new certificate for the user who asks with one. */
export async function renewUser(
  options: AdmissionOptions,
  caller: Caller,
  body: RouteBody<'user.renew'>,
): Promise<RouteAnswer<'user.renew'>> {
  if (caller.kind !== 'user' || caller.fingerprint === undefined) {
    throw new BoiError('wrong-state', 'Only a user with a certificate can renew it; secrets do not expire.');
  }
  const { keychain, signing, identity, clock, random } = options;
  const { id, fingerprint } = caller;
  const request = await readSigningRequest(body.csr, '/body/csr');
  const authority = await signing.authority();
  if (identity.directory.user(id)?.certificate?.keyFingerprint !== request.keyFingerprint) {
    throw otherKey('for another key ask an admin to reissue it');
  }
  const certificate = await authority.issue(
    { clock, random },
    { request, cluster: keychain.cluster, role: 'user', id },
  );
  await identity.renewUser(id, fingerprint, certificate);
  return { certificate: certificate.pem, ca: identity.directory.trustBundle() };
}

function otherKey(what: string): BoiError {
  return new BoiError('forbidden', `A certificate is renewed for the key it is for; ${what}.`);
}

function hostsOfNode(address: string): string[] {
  if (!URL.canParse(address) || new URL(address).protocol !== 'https:') {
    throw new BoiError('bad-request', '/body/address: must be an https:// URL, at which others reach the node', {
      issues: [{ path: '/body/address', message: 'must be an https:// URL, at which others reach the node' }],
    });
  }
  return hostsOfAddress(address);
}

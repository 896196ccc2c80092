/**
 * Who the other end of a connection is, by its certificate alone: signed by a CA that is trusted here, valid now, of the
 * profile (profile.ts) and of this cluster. Whether that identity still stands (not revoked, its newest certificate) is
 * asked of the cluster's records afterwards. A refusal is an answer, not an exception: it is an everyday event at an edge.
 */
import { alternativeNames, type Certificate, readCertificateDer } from './certificate.ts';
import { type PeerName, parsePeerUri } from './profile.ts';

export interface PeerIdentity extends PeerName {
  readonly serial: string;
  readonly fingerprint: string;
  readonly caFingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export type PeerRefusal =
  /** No certificate, or more than one identity in it, or not of the profile. */
  | 'malformed'
  /** Not signed by a CA that is trusted here. */
  | 'untrusted'
  | 'expired'
  | 'not-yet-valid'
  /** Signed by a trusted CA for another cluster. */
  | 'wrong-cluster';

export type PeerAnswer =
  | { readonly ok: true; readonly peer: PeerIdentity }
  | { readonly ok: false; readonly reason: PeerRefusal };

export interface PeerCheck {
  /** Id of this cluster. */
  readonly cluster: string;
  readonly trusted: readonly Certificate[];
  /** Wall clock, milliseconds. */
  readonly now: number;
}

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/** Checks the DER bytes that the other end presented (`socket.getPeerCertificate().raw`). */
export function identityOfPeer(der: Uint8Array, { cluster, trusted, now }: PeerCheck): PeerAnswer {
  let certificate: Certificate;
  try {
    certificate = readCertificateDer(new Uint8Array(der));
  } catch {
    return { ok: false, reason: 'malformed' };
  }
  const issuer = trusted.find((ca) => isSignedBy(certificate, ca));
  if (issuer === undefined) return { ok: false, reason: 'untrusted' };
  if (now >= certificate.notAfter || now >= issuer.notAfter) return { ok: false, reason: 'expired' };
  if (now < certificate.notBefore) return { ok: false, reason: 'not-yet-valid' };
  const name = nameOf(certificate);
  if (name === undefined) return { ok: false, reason: 'malformed' };
  if (name.cluster !== cluster) return { ok: false, reason: 'wrong-cluster' };
  const { serial, fingerprint, notBefore, notAfter } = certificate;
  return {
    ok: true,
    peer: { ...name, serial, fingerprint, caFingerprint: issuer.fingerprint, notBefore, notAfter },
  };
}

/** The identity in a certificate of the profile: exactly one of our URIs, the same id as its subject, and not a CA's. */
export function nameOf(certificate: Certificate): PeerName | undefined {
  if (certificate.isCa || certificate.parsed.keyUsage?.includes(CLIENT_AUTH) !== true) return undefined;
  const uris = (alternativeNames(certificate) ?? []).filter(({ type }) => type === 'url');
  const [only, ...rest] = uris;
  const name = only === undefined || rest.length > 0 ? undefined : parsePeerUri(only.value);
  return name !== undefined && certificate.parsed.subject === `CN=${name.id}` ? name : undefined;
}

function isSignedBy({ parsed }: Certificate, ca: Certificate): boolean {
  try {
    return ca.isCa && parsed.checkIssued(ca.parsed) && parsed.verify(ca.parsed.publicKey);
  } catch {
    return false;
  }
}

/**
 * Facts of a certificate, read from its DER by Node's own parser (OpenSSL), with the alternative names by `@peculiar/x509`,
 * which answers them as a list where Node answers one text. Reading verifies nothing: peer.ts and authority.ts do.
 */
import { X509Certificate } from 'node:crypto';
import { BoiError } from '@boi/core';
import { sha256Hex, x509 } from './crypto.ts';
import { readOnePem, readPem, writePem } from './pem.ts';
import type { Validity } from './profile.ts';

export interface Certificate extends Validity {
  readonly pem: string;
  /** The bytes as given; the fingerprint is theirs. */
  readonly der: Uint8Array;
  /** SHA-256 of the DER bytes, lower-case hexadecimal. */
  readonly fingerprint: string;
  /** Lower-case hexadecimal without leading zeros. */
  readonly serial: string;
  /** SHA-256 of the public key's SubjectPublicKeyInfo. */
  readonly keyFingerprint: string;
  readonly isCa: boolean;
  readonly parsed: X509Certificate;
}

/** A trust bundle has the CA of the cluster, and while it is replaced the other one. */
const TRUSTED_MAX = 2;
const DER_BYTES_MAX = 8 * 1024;

/** Reads DER. Throws `bad-request` for what is no certificate. */
export function readCertificateDer(der: Uint8Array, what = 'the certificate'): Certificate {
  if (der.length > DER_BYTES_MAX) {
    throw new BoiError('bad-request', `${what} has ${der.length} bytes; at most ${DER_BYTES_MAX} are read`);
  }
  let parsed: X509Certificate;
  let spki: Uint8Array;
  try {
    parsed = new X509Certificate(der);
    spki = new Uint8Array(parsed.publicKey.export({ type: 'spki', format: 'der' }));
  } catch (cause) {
    throw new BoiError('bad-request', `${what} is not an X.509 certificate`, { cause });
  }
  // OpenSSL reads the first element and leaves what follows: two texts for one certificate, with two fingerprints.
  if (!Buffer.from(parsed.raw).equals(Buffer.from(der))) {
    throw new BoiError('bad-request', `${what} is not one certificate in DER`);
  }
  return {
    pem: writePem('CERTIFICATE', der),
    der,
    fingerprint: sha256Hex(der),
    serial: parsed.serialNumber.toLowerCase().replace(/^0+(?=.)/, ''),
    keyFingerprint: sha256Hex(spki),
    isCa: parsed.ca,
    notBefore: Date.parse(parsed.validFrom),
    notAfter: Date.parse(parsed.validTo),
    parsed,
  };
}

/** Reads one certificate in PEM. Throws `bad-request`. */
export function readCertificate(pem: string, what = 'the certificate'): Certificate {
  return readCertificateDer(readOnePem(pem, 'CERTIFICATE', what), what);
}

/** Reads a trust bundle: one or two CA certificates in PEM, the current one first. Throws `bad-request`. */
export function readTrustBundle(pem: string, what = 'the trust bundle'): Certificate[] {
  const cas = readPem(pem, 'CERTIFICATE', what).map((der) => readCertificateDer(der, what));
  if (cas.length > TRUSTED_MAX) {
    throw new BoiError('bad-request', `${what} has ${cas.length} certificates; ${TRUSTED_MAX} is the most`);
  }
  if (!cas.every(({ isCa }) => isCa)) throw new BoiError('bad-request', `${what} has a certificate that is not a CA's`);
  return cas;
}

/** The alternative names of a certificate, as its extension lists them; undefined when it has none or it cannot be read. */
export function alternativeNames({ der }: Pick<Certificate, 'der'>): { type: string; value: string }[] | undefined {
  try {
    const found = new x509.X509Certificate(new Uint8Array(der)).getExtensions(x509.SubjectAlternativeNameExtension);
    const [only, ...rest] = found;
    if (only === undefined || rest.length > 0) return undefined;
    return only.names.items.map(({ type, value }) => ({ type, value }));
  } catch {
    return undefined;
  }
}

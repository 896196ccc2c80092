/**
 * The certificate signing request (PKCS #10) that a host makes for its own key, and its verification by the signer: proof
 * that whoever asks has the private key, and nothing more. A request names nobody: id, role, addresses and life are the
 * signer's to give. One that asks for anything by attribute or extension is refused (`forbidden`), so that a capability
 * that was asked for is never thought to have been granted.
 */
import { BoiError } from '@boi/core';
import { ALGORITHM, keyFingerprint, readKey, sha256Hex, subtle, x509 } from './crypto.ts';
import { readOnePem, writePem } from './pem.ts';

/** All requests have this subject; it says nothing. */
const SUBJECT = 'CN=boi';
const DER_BYTES_MAX = 4 * 1024;

/** A request whose signature holds. */
export interface SigningRequest {
  /** SubjectPublicKeyInfo of the key. */
  readonly spki: Uint8Array;
  /** SHA-256 of it, lower-case hexadecimal: what `--bind-key` names. */
  readonly keyFingerprint: string;
}

/** A request in PEM for a private key in PKCS #8 PEM. */
export async function createSigningRequest(keyPem: string): Promise<string> {
  const keys = await readKey(keyPem);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: SUBJECT,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return writePem('CERTIFICATE REQUEST', new Uint8Array(request.rawData));
}

/** SHA-256 of the public half of a private key in PEM, for `--bind-key` and for finding one's own record. */
export async function fingerprintOfKey(keyPem: string): Promise<string> {
  return keyFingerprint((await readKey(keyPem)).publicKey);
}

/**
 * Reads and verifies a request in PEM. Throws `bad-request` for what is no request of a P-256 key or not signed with it, and
 * `forbidden` for one that asks for something.
 */
export async function readSigningRequest(pem: string, what = 'csr'): Promise<SigningRequest> {
  const der = readOnePem(pem, 'CERTIFICATE REQUEST', what);
  if (der.length > DER_BYTES_MAX) throw malformed(what);
  let request: x509.Pkcs10CertificateRequest;
  let spki: Uint8Array;
  let asksForNothing: boolean;
  try {
    request = new x509.Pkcs10CertificateRequest(der);
    spki = new Uint8Array(request.publicKey.rawData);
    asksForNothing = request.attributes.length === 0 && request.subject === SUBJECT;
    // Refuses every other curve and kind of key.
    await subtle.importKey('spki', spki, ALGORITHM, true, ['verify']);
    if (!(await request.verify())) throw new Error('the signature does not hold');
  } catch (cause) {
    throw malformed(what, cause);
  }
  if (!asksForNothing) {
    throw new BoiError(
      'forbidden',
      `${what} asks for names, roles or capabilities; they are given by the cluster: leave them out`,
    );
  }
  return { spki, keyFingerprint: sha256Hex(spki) };
}

function malformed(what: string, cause?: unknown): BoiError {
  return new BoiError('bad-request', `${what} must be a PKCS #10 request of a P-256 key, signed with that key`, {
    cause,
  });
}

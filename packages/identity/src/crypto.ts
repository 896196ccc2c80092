/**
 * What certificates, keys and tokens are made with: WebCrypto, on the curve P-256 with SHA-256, and nothing else. The one
 * place that loads `@peculiar/x509`, which needs `reflect-metadata` loaded before it.
 */
import 'reflect-metadata';
import { createHash, webcrypto } from 'node:crypto';
import { BoiError } from '@boi/core';
import * as x509 from '@peculiar/x509';
import { readOnePem, writePem } from './pem.ts';

export { x509 };
export const { subtle } = webcrypto;

/** Signatures and keys of this package: ECDSA, P-256, SHA-256. */
export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

x509.cryptoProvider.set(webcrypto);

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface KeyPair {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

/** A new private key as PKCS #8 PEM. It leaves the host it is made on by no path of this package. */
export async function createKey(): Promise<string> {
  const { privateKey } = await subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  return writePem('PRIVATE KEY', new Uint8Array(await subtle.exportKey('pkcs8', privateKey)));
}

/** The pair of a private key in PKCS #8 PEM. Throws `config-invalid` naming `what` for anything but a P-256 key. */
export async function readKey(pem: string, what = 'the private key'): Promise<KeyPair> {
  try {
    const der = readOnePem(pem, 'PRIVATE KEY', what);
    const privateKey = await subtle.importKey('pkcs8', der, ALGORITHM, true, ['sign']);
    const { kty, crv, x, y } = await subtle.exportKey('jwk', privateKey);
    const jwk = { kty, crv, x, y } as webcrypto.JsonWebKey;
    return { privateKey, publicKey: await subtle.importKey('jwk', jwk, ALGORITHM, true, ['verify']) };
  } catch {
    // Without the cause: it could quote the key.
    throw new BoiError('config-invalid', `${what} is not an unencrypted P-256 key in PKCS #8 PEM`);
  }
}

/** SHA-256 of a public key's SubjectPublicKeyInfo, in lower-case hexadecimal. */
export async function keyFingerprint(publicKey: webcrypto.CryptoKey): Promise<string> {
  return sha256Hex(new Uint8Array(await subtle.exportKey('spki', publicKey)));
}

/**
 * The certificate authority of a cluster: a P-256 key on the disks of the administrators' nodes, never in the store, and a
 * self-signed certificate that everybody has. It signs what joins, renews and is made for users, and join tokens
 * (join-token.ts). Used by `cluster init`, by `join`, renewal and user routes of an administrator's node, and by rotation.
 */

import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import { BoiError, type Clock, type Random, randomHex } from '@boi/core';
import { type Certificate, readCertificate, readCertificateDer } from './certificate.ts';
import { ALGORITHM, createKey, keyFingerprint, readKey, x509 } from './crypto.ts';
import { BACKDATE_MS, CA_TTL_MS, NODE_TTL_MS, type PeerName, peerUri, USER_TTL_MS } from './profile.ts';
import type { SigningRequest } from './signing-request.ts';

/** Time and chance. The keys themselves come from the operating system, by WebCrypto. */
export interface IssueContext {
  readonly clock: Clock;
  readonly random: Random;
}

/** A certificate as the cluster's records keep it. */
export interface IssuedCertificate {
  /** The certificate alone. */
  readonly pem: string;
  readonly fingerprint: string;
  readonly serial: string;
  readonly keyFingerprint: string;
  /** Of the CA that signed it. */
  readonly caFingerprint: string;
  /** Wall clock, milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface IssueOptions extends PeerName {
  readonly request: SigningRequest;
  /** Host names and IP addresses it may be reached at; for nodes alone. At most {@link HOSTS_MAX}. */
  readonly hosts?: readonly string[];
  /** Default thirty days for nodes, ninety for users. Never beyond the CA's own end. */
  readonly ttlMs?: number;
}

export const HOSTS_MAX = 16;
/** RFC 5280 allows at most 20 octets. */
const SERIAL_BYTES = 16;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const DNS_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A new CA's private key and certificate, both in PEM. With `keyPem`: a certificate for that key. */
export async function createAuthority(
  { clock, random }: IssueContext,
  options: { readonly cluster: string; readonly keyPem?: string; readonly ttlMs?: number },
): Promise<{ readonly keyPem: string; readonly pem: string }> {
  const keyPem = options.keyPem ?? (await createKey());
  const keys = await readKey(keyPem, 'the CA key');
  const notBefore = seconds(clock.now() - BACKDATE_MS);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(random),
    // The fingerprint of its key tells two CAs of one cluster apart by name, which chain building goes by.
    name: `CN=boi ${options.cluster} ${(await keyFingerprint(keys.publicKey)).slice(0, 16)}`,
    notBefore: new Date(notBefore),
    notAfter: new Date(seconds(clock.now() + (options.ttlMs ?? CA_TTL_MS))),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keyPem, pem: readCertificateDer(new Uint8Array(certificate.rawData)).pem };
}

export class CertificateAuthority {
  readonly certificate: Certificate;
  /** Signs tokens, too. */
  readonly key: webcrypto.CryptoKey;
  readonly #issuer: x509.X509Certificate;

  private constructor(certificate: Certificate, key: webcrypto.CryptoKey) {
    this.certificate = certificate;
    this.key = key;
    this.#issuer = new x509.X509Certificate(new Uint8Array(certificate.der));
  }

  /** Throws `config-invalid` when the key is not the certificate's, or the certificate is not a CA's. */
  static async load(pem: string, keyPem: string): Promise<CertificateAuthority> {
    const certificate = readCertificate(pem, 'the CA certificate');
    const { privateKey, publicKey } = await readKey(keyPem, 'the CA key');
    if (!certificate.isCa) throw new BoiError('config-invalid', 'the CA certificate is not one of a CA');
    if ((await keyFingerprint(publicKey)) !== certificate.keyFingerprint) {
      throw new BoiError('config-invalid', 'the CA key is not the key of the CA certificate');
    }
    return new CertificateAuthority(certificate, privateKey);
  }

  get fingerprint(): string {
    return this.certificate.fingerprint;
  }

  /** Id of the cluster it was made for, by its name. Throws `config-invalid` for a CA that boi-node has not made. */
  get cluster(): string {
    const id = /^CN=boi ([0-9a-f]{32}) [0-9a-f]{16}$/.exec(this.certificate.parsed.subject)?.[1];
    if (id === undefined) throw new BoiError('config-invalid', 'the CA certificate is not one that boi-node has made');
    return id;
  }

  /** Throws `bad-request` for a host that cannot stand in a certificate, `wrong-state` when the CA itself has expired. */
  async issue({ clock, random }: IssueContext, options: IssueOptions): Promise<IssuedCertificate> {
    const { request, role, hosts = [] } = options;
    const now = clock.now();
    if (now >= this.certificate.notAfter) {
      throw new BoiError('wrong-state', 'the certificate of the CA has expired; nothing can be signed with it');
    }
    const ttlMs = options.ttlMs ?? (role === 'node' ? NODE_TTL_MS : USER_TTL_MS);
    const names = [{ type: 'url' as const, value: peerUri(options) }, ...(role === 'node' ? hosts.map(hostName) : [])];
    if (hosts.length > HOSTS_MAX) throw new BoiError('bad-request', `a node has at most ${HOSTS_MAX} addresses`);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(random),
      subject: `CN=${options.id}`,
      issuer: this.#issuer.subjectName,
      notBefore: new Date(Math.max(seconds(now - BACKDATE_MS), this.certificate.notBefore)),
      notAfter: new Date(Math.min(seconds(now + ttlMs), this.certificate.notAfter)),
      publicKey: new x509.PublicKey(new Uint8Array(request.spki)),
      signingKey: this.key,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(role === 'node' ? [SERVER_AUTH, CLIENT_AUTH] : [CLIENT_AUTH], true),
        new x509.SubjectAlternativeNameExtension(names, true),
        await x509.AuthorityKeyIdentifierExtension.create(this.#issuer),
      ],
    });
    const { pem, fingerprint, serial: number, ...facts } = readCertificateDer(new Uint8Array(certificate.rawData));
    return {
      pem,
      fingerprint,
      serial: number,
      keyFingerprint: facts.keyFingerprint,
      caFingerprint: this.fingerprint,
      notBefore: facts.notBefore,
      notAfter: facts.notAfter,
    };
  }
}

/**
 * The hosts of a node's certificate: that of the URL it is reached at. One on loopback is reached by the three names of
 * loopback; no other certificate has them.
 */
export function hostsOfAddress(address: string): string[] {
  if (!URL.canParse(address)) throw new BoiError('bad-request', `address ${address} is not a URL`);
  const host = new URL(address).hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return /^(localhost|127(\.\d{1,3}){3}|::1)$/.test(host)
    ? [...new Set([host, 'localhost', '127.0.0.1', '::1'])]
    : [host];
}

function hostName(host: string): { type: 'ip' | 'dns'; value: string } {
  if (isIP(host) !== 0) return { type: 'ip', value: host };
  const value = host.toLowerCase();
  if (DNS_NAME.test(value)) return { type: 'dns', value };
  throw new BoiError('bad-request', `${JSON.stringify(host.slice(0, 80))} is neither an IP address nor a host name`);
}

/** Positive and of full length: the two highest bits are fixed, 126 are random. */
function serial(random: Random): string {
  const [first = 0, ...rest] = Buffer.from(randomHex(random, SERIAL_BYTES), 'hex');
  return Buffer.from([(first & 0x7f) | 0x40, ...rest]).toString('hex');
}

/** X.509 times have no fractions of a second. */
function seconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

/** A certificate authority for tests of TLS: signs what it is asked to, also what nobody should accept. */
import { createHash, webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const DAY_MS = 86_400_000;
x509.cryptoProvider.set(webcrypto);

export interface IssuedPair {
  readonly certificate: string;
  readonly key: string;
}

export interface IssueOptions {
  /** DNS names and IP addresses. Default: 127.0.0.1. */
  readonly hosts?: readonly string[];
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export class TestCa {
  readonly #certificate: x509.X509Certificate;
  readonly #keys: webcrypto.CryptoKeyPair;

  private constructor(certificate: x509.X509Certificate, keys: webcrypto.CryptoKeyPair) {
    this.#certificate = certificate;
    this.#keys = keys;
  }

  static async create(name = 'test CA'): Promise<TestCa> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: `CN=${name}`,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
    return new TestCa(certificate, keys);
  }

  get pem(): string {
    return `${this.#certificate.toString('pem')}\n`;
  }

  /** SHA-256 of the DER bytes. */
  get fingerprint(): string {
    return createHash('sha256').update(Buffer.from(this.#certificate.rawData)).digest('hex');
  }

  async issue(commonName: string, options: IssueOptions = {}): Promise<IssuedPair> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
    return {
      certificate: await this.#sign(commonName, keys.publicKey, options),
      key: `-----BEGIN PRIVATE KEY-----\n${key.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`,
    };
  }

  /** A certificate for a key that is elsewhere, by its SubjectPublicKeyInfo. */
  async certify(commonName: string, spki: Uint8Array, options: IssueOptions = {}): Promise<string> {
    const key = await webcrypto.subtle.importKey('spki', Buffer.from(spki), ALGORITHM, true, ['verify']);
    return this.#sign(commonName, key, options);
  }

  async #sign(commonName: string, publicKey: webcrypto.CryptoKey, options: IssueOptions): Promise<string> {
    const { hosts = ['127.0.0.1'], notBefore = new Date(Date.now() - DAY_MS / 2), notAfter } = options;
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${commonName}`,
      issuer: this.#certificate.subject,
      notBefore,
      notAfter: notAfter ?? new Date(Date.now() + DAY_MS / 2),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: this.#keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.ExtendedKeyUsageExtension([
          x509.ExtendedKeyUsage.serverAuth as string,
          x509.ExtendedKeyUsage.clientAuth as string,
        ]),
        new x509.SubjectAlternativeNameExtension(
          hosts.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? ('ip' as const) : ('dns' as const), value })),
        ),
      ],
    });
    return `${certificate.toString('pem')}\n`;
  }
}

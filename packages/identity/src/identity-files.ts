/**
 * The credentials of a node below its data directory:
 *
 *     identity/ca.pem       trust bundle: the CA, and while it is replaced the other one
 *     identity/node.key     private key of this node, made here, never sent
 *     identity/node.pem     its certificate
 *     identity/ca.key       administrators' nodes only: key of the CA that signs
 *     identity/ca-next.key  the same of a CA that is planned
 *
 * All are 0600. Who writes holds the data directory's lock (system/data-dir-lock.ts). Each file is whole or absent; what an
 * interruption can leave is a key without a certificate, which the next try goes on with.
 */
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BoiError } from '@boi/core';
import { syncDirectory } from '@boi/system';
import { type Certificate, readCertificate, readTrustBundle } from './certificate.ts';
import { readCredential, writeCredential } from './credential-file.ts';
import { createKey } from './crypto.ts';
import { fingerprintOfKey } from './signing-request.ts';

const NAMES = {
  trust: 'ca.pem',
  key: 'node.key',
  certificate: 'node.pem',
  caKey: 'ca.key',
  nextCaKey: 'ca-next.key',
} as const;

export type IdentityFile = keyof typeof NAMES;

/** What a node that may join has. */
export interface NodeCredentials {
  /** PEM of each. */
  readonly trust: string;
  readonly certificate: string;
  readonly key: string;
  readonly facts: Certificate;
  readonly trusted: readonly Certificate[];
}

export class IdentityFiles {
  readonly dir: string;

  constructor(dataDir: string) {
    this.dir = join(dataDir, 'identity');
  }

  path(file: IdentityFile): string {
    return join(this.dir, NAMES[file]);
  }

  /** Text of a file, or undefined. Throws `config-invalid` when others may read it. */
  read(file: IdentityFile): Promise<string | undefined> {
    return readCredential(this.path(file));
  }

  write(file: IdentityFile, text: string): Promise<void> {
    return writeCredential(this.path(file), text);
  }

  async remove(file: IdentityFile): Promise<void> {
    try {
      await unlink(this.path(file));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    await syncDirectory(this.dir);
  }

  /** The private key in `file`, made and written first when there is none. */
  async ensureKey(file: 'key' | 'caKey' | 'nextCaKey'): Promise<string> {
    const found = await this.read(file);
    if (found !== undefined) return found;
    const made = await createKey();
    await this.write(file, made);
    return made;
  }

  /**
   * The node's credentials, or undefined when one of the three files is missing. Throws `config-invalid` when they do not
   * belong together.
   */
  async credentials(): Promise<NodeCredentials | undefined> {
    const [trust, certificate, key] = await Promise.all([
      this.read('trust'),
      this.read('certificate'),
      this.read('key'),
    ]);
    if (trust === undefined || certificate === undefined || key === undefined) return undefined;
    const facts = this.#parsed('certificate', () => readCertificate(certificate));
    const trusted = this.#parsed('trust', () => readTrustBundle(trust));
    if ((await fingerprintOfKey(key)) !== facts.keyFingerprint) {
      throw new BoiError('config-invalid', `${this.path('certificate')} is not the certificate of ${this.path('key')}`);
    }
    return { trust, certificate, key, facts, trusted };
  }

  #parsed<T>(file: IdentityFile, read: () => T): T {
    try {
      return read();
    } catch (cause) {
      throw new BoiError('config-invalid', `${this.path(file)} cannot be read; restore it, or join anew`, { cause });
    }
  }
}

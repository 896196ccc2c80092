/**
 * The CA's key on this node's disk, if it is an admin node, and the CA that signs now. There may be two keys: of the CA that
 * signs, and of one that is planned or that was replaced; the one that fits the record of the cluster is taken, whichever
 * file it is in, so that a rotation interrupted anywhere needs no mending.
 */
import type { CaCertificateRecord, IdentityDirectory } from '@boi/cluster';
import { BoiError, type NodeId } from '@boi/core';
import { CertificateAuthority, type IdentityFiles } from '@boi/identity';

const KEY_FILES = ['caKey', 'nextCaKey'] as const;

export interface SigningOptions {
  readonly files: IdentityFiles;
  readonly directory: Pick<IdentityDirectory, 'ca' | 'isAdmin'>;
  readonly self: NodeId;
  /** URLs of admin nodes that can be asked instead. */
  readonly admins: () => readonly string[];
}

export class Signing {
  readonly #options: SigningOptions;
  /** The last one that was read, by the fingerprint of its certificate. */
  #authority: CertificateAuthority | undefined;

  constructor(options: SigningOptions) {
    this.#options = options;
  }

  /** The CA that signs. Throws `not-admin-node`, naming those to ask, on a node that is none or lacks the key. */
  async authority(): Promise<CertificateAuthority> {
    const { directory, self } = this.#options;
    const ca = directory.ca();
    if (ca === undefined) throw new BoiError('wrong-state', 'the cluster has no CA');
    if (!directory.isAdmin(self)) throw this.notHere();
    if (this.#authority?.fingerprint === ca.current.fingerprint) return this.#authority;
    const found = await this.keyOf(ca.current);
    if (found === undefined) throw this.notHere();
    this.#authority = await CertificateAuthority.load(ca.current.pem, found);
    return this.#authority;
  }

  /** PEM of the private key of a CA, when it is here. */
  async keyOf(ca: CaCertificateRecord): Promise<string | undefined> {
    const { files } = this.#options;
    for (const file of KEY_FILES) {
      const key = await files.read(file);
      if (key !== undefined && (await fits(ca, key))) return key;
    }
    return undefined;
  }

  notHere(): BoiError {
    const admins = this.#options.admins();
    return new BoiError(
      'not-admin-node',
      admins.length === 0
        ? 'This node does not hold the key of the CA, and no node that does can be reached; start one of them.'
        : `This node does not hold the key of the CA; ask ${admins.join(' or ')}.`,
      { details: { admins: [...admins] } },
    );
  }
}

async function fits(ca: CaCertificateRecord, key: string): Promise<boolean> {
  try {
    await CertificateAuthority.load(ca.pem, key);
    return true;
  } catch (error) {
    if (error instanceof BoiError && error.code === 'config-invalid') return false;
    throw error;
  }
}

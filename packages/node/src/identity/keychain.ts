/**
 * The certificate, key and trust of this node as they are in use. What replaces them (renewal, a CA that is being rotated) is
 * written to disk first; whoever holds a connection context is told afterwards, so that nothing restarts for it.
 *
 * Invariant: certificate and key belong together (`IdentityFiles.credentials` checks it), and the certificate is one of the
 * cluster and the id this process runs as; anything else is refused and nothing changes.
 */
import type { SecureContextOptions } from 'node:tls';
import { BoiError, type Clock, type NodeId } from '@boi/core';
import {
  type Certificate,
  type IdentityFiles,
  identityOfPeer,
  type NodeCredentials,
  type PeerIdentity,
  readCertificate,
  readTrustBundle,
} from '@boi/identity';

/** What Node's TLS takes, as server and as client. The CAs follow the certificate: who joins pins one by its fingerprint. */
export interface TlsMaterial extends SecureContextOptions {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
  readonly minVersion: 'TLSv1.3';
}

export class Keychain {
  readonly files: IdentityFiles;
  readonly cluster: string;
  readonly node: NodeId;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #held: NodeCredentials;
  #peer: PeerIdentity;
  #generation = 0;

  private constructor(files: IdentityFiles, clock: Clock, held: NodeCredentials, peer: PeerIdentity) {
    this.files = files;
    this.#clock = clock;
    this.#held = held;
    this.#peer = peer;
    this.cluster = peer.cluster;
    this.node = peer.id as NodeId;
  }

  /**
   * Opens what is on disk for the node `expected`. Throws `wrong-state` for a certificate that is expired (it cannot renew
   * itself any more) or of another node, `config-invalid` for files that do not belong together.
   */
  static async open(files: IdentityFiles, expected: NodeId, clock: Clock): Promise<Keychain> {
    const held = await files.credentials();
    if (held === undefined) throw new BoiError('wrong-state', `${files.dir} holds no certificate`);
    return new Keychain(files, clock, held, ownPeer(held, expected, clock.now()));
  }

  get certificate(): Certificate {
    return this.#held.facts;
  }

  /** Of the CA that signed the certificate. */
  get caFingerprint(): string {
    return this.#peer.caFingerprint;
  }

  get key(): string {
    return this.#held.key;
  }

  /** PEM of all CAs that are trusted. */
  get trust(): string {
    return this.#held.trust;
  }

  get trusted(): readonly Certificate[] {
    return this.#held.trusted;
  }

  /** Grows with each change: what was checked against an older trust must be checked anew. */
  get generation(): number {
    return this.#generation;
  }

  tls(): TlsMaterial {
    const { key, certificate, trust } = this.#held;
    return { key, cert: `${certificate}${trust}`, ca: trust, minVersion: 'TLSv1.3' };
  }

  /** Writes and uses what is new. Throws `untrusted-server` for a certificate that is not this node's under that trust. */
  async install(update: { readonly certificate?: string; readonly trust?: string }): Promise<void> {
    const trust = update.trust ?? this.#held.trust;
    const certificate = update.certificate ?? this.#held.certificate;
    const next: NodeCredentials = {
      trust,
      certificate,
      key: this.#held.key,
      facts: readCertificate(certificate),
      trusted: readTrustBundle(trust),
    };
    if (next.facts.keyFingerprint !== this.#held.facts.keyFingerprint) {
      throw new BoiError('untrusted-server', 'the certificate in the answer is for another key');
    }
    const peer = ownPeer(next, this.node, this.#clock.now());
    // Trust first: a certificate without its CA beside it would not be opened at the next start.
    if (trust !== this.#held.trust) await this.files.write('trust', trust);
    if (certificate !== this.#held.certificate) await this.files.write('certificate', certificate);
    this.#held = next;
    this.#peer = peer;
    this.#generation += 1;
    for (const listener of this.#listeners) listener();
  }

  /** Called after each change, the new material being in use. Answers an unsubscribe. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function ownPeer(held: NodeCredentials, expected: NodeId, now: number): PeerIdentity {
  // The cluster is what the certificate says: this host has no other word for it.
  const cluster = /boi:\/\/([0-9a-f]{32})\//.exec(held.facts.parsed.subjectAltName ?? '')?.[1] ?? '';
  const answer = identityOfPeer(held.facts.der, { cluster, trusted: held.trusted, now });
  if (!answer.ok) {
    throw new BoiError(
      'wrong-state',
      answer.reason === 'expired'
        ? 'the certificate of this node has expired; ask an admin for a join token and start once with --token: the node keeps its id'
        : `the certificate of this node cannot be used (${answer.reason})`,
      { details: { reason: answer.reason } },
    );
  }
  if (answer.peer.role !== 'node' || answer.peer.id !== expected) {
    throw new BoiError(
      'wrong-state',
      `the certificate is that of ${answer.peer.id}, but this is ${expected}: the files of two nodes are mixed up`,
    );
  }
  return answer.peer;
}

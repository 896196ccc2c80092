/**
 * The CA's key on the nodes that may sign: handed from admin node to admin node over mutual TLS, never by way of the store.
 * A node is given the key before the cluster's record says that it may sign; a planned CA is given to all admins before it
 * is published. The receiver takes it only from an admin node, and only if key and certificate belong together.
 */
import type { CaRecord, IdentityDirectory } from '@boi/cluster';
import { BoiError, type Clock, type Random } from '@boi/core';
import { CertificateAuthority, createAuthority, createKey, type IdentityFiles, readCertificate } from '@boi/identity';
import { type Static, Type } from 'typebox';
import type { Caller } from '../access/caller.ts';
import type { InternalRoute } from '../http/server.ts';
import type { Peer, PeerCalls } from './peer-call.ts';
import type { Signing } from './signing.ts';

const PATH = '/internal/ca-key';
const Body = Type.Object(
  {
    /** `next`: of a CA that is planned. */
    which: Type.Unsafe<'current' | 'next'>({ type: 'string', enum: ['current', 'next'] }),
    certificate: Type.String({ minLength: 1, maxLength: 16_384 }),
    key: Type.String({ minLength: 1, maxLength: 16_384 }),
  },
  { additionalProperties: false },
);

export interface AuthorityKeysOptions {
  readonly files: IdentityFiles;
  readonly directory: Pick<IdentityDirectory, 'ca'>;
  readonly signing: Signing;
  readonly calls: PeerCalls;
  readonly cluster: string;
  readonly clock: Clock;
  readonly random: Random;
}

export class AuthorityKeys {
  readonly #options: AuthorityKeysOptions;

  constructor(options: AuthorityKeysOptions) {
    this.#options = options;
  }

  /** What other admin nodes hand keys over by. */
  route(): InternalRoute {
    return {
      method: 'POST',
      path: PATH,
      body: Body,
      handler: async ({ body, caller }) => {
        await this.#receive(body as Static<typeof Body>, caller);
        return {};
      },
    };
  }

  /** Gives the keys of the CA that signs, and of the other one while there is a rotation, to a node. */
  async handTo(peer: Peer, ca: CaRecord): Promise<void> {
    const other = ca.next ?? ca.previous;
    for (const [which, one] of [
      ['current', ca.current],
      ['next', other],
    ] as const) {
      if (one === undefined) continue;
      const key = await this.#options.signing.keyOf(one);
      if (key === undefined) throw this.#options.signing.notHere();
      await this.#options.calls.post(peer, PATH, { which, certificate: one.pem, key });
    }
  }

  /** Makes the CA that will sign, with a key never used before, here and with all other admins. Only while none is planned. */
  async prepareNext(others: readonly Peer[]): Promise<{ pem: string; fingerprint: string; notAfter: number }> {
    const { files, cluster, clock, random, calls } = this.#options;
    const key = await createKey();
    await files.write('nextCaKey', key);
    const { pem } = await createAuthority({ clock, random }, { cluster, keyPem: key });
    for (const peer of others) await calls.post(peer, PATH, { which: 'next', certificate: pem, key });
    const { fingerprint, notAfter } = readCertificate(pem);
    return { pem, fingerprint, notAfter };
  }

  /** Once no rotation is under way, the key of the CA that signs is in its usual file and no other is kept. */
  async tidy(): Promise<void> {
    const { files, directory, signing } = this.#options;
    const ca = directory.ca();
    if (ca?.phase !== 'stable' || (await files.read('nextCaKey')) === undefined) return;
    const key = await signing.keyOf(ca.current);
    // A plan is being made here: its key is there before the record is.
    if (key === undefined || key === (await files.read('caKey'))) return;
    await files.write('caKey', key);
    await files.remove('nextCaKey');
  }

  /** This node may not sign any more: it forgets how. */
  async forget(): Promise<void> {
    await this.#options.files.remove('caKey');
    await this.#options.files.remove('nextCaKey');
  }

  async #receive({ which, certificate, key }: Static<typeof Body>, caller: Caller): Promise<void> {
    if (caller.kind !== 'node' || !caller.admin) {
      throw new BoiError('forbidden', 'Only an admin node hands over the key of the CA.');
    }
    const { files, directory } = this.#options;
    const { fingerprint } = (await CertificateAuthority.load(certificate, key)).certificate;
    if (which === 'current' && directory.ca()?.current.fingerprint !== fingerprint) {
      throw new BoiError('conflict', 'That is not the CA that signs, as far as this node knows; try again.');
    }
    await files.write(which === 'current' ? 'caKey' : 'nextCaKey', key);
  }
}

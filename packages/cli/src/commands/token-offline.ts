/**
 * `token create --ca-key FILE`: a join token made without asking the cluster, by whoever holds the key of its CA. For a cluster
 * whose admin node is away when the token is made, or whose tokens are made on a machine that reaches no node. The cluster
 * learns of it when it is used; until then only its id is known to who made it, and can be revoked by.
 */
import { dirname, join } from 'node:path';
import { BoiError } from '@boi/core/errors';
import { requireName } from '@boi/core/names';
import type { CertificateAuthority } from '@boi/identity';
import type { Args } from '../args.ts';
import { readSecret } from '../credential-file.ts';
import type { Session } from '../session.ts';

export interface MadeToken {
  readonly id: string;
  readonly token: string;
  readonly expiresAt: number;
}

/** Asks nobody. Throws `config-invalid` for files that do not fit together. */
export async function mintOffline(session: Session, args: Args, keyFile: string): Promise<MadeToken> {
  const [{ mintJoinToken }, { systemClock, systemRandom }] = await Promise.all([
    import('@boi/identity'),
    import('@boi/system'),
  ]);
  const certificateFile = args.text('ca') ?? join(dirname(keyFile), 'ca.pem');
  const authority = await authorityOf(keyFile, certificateFile);
  const boot = session.target().endpoints.filter((url) => url.startsWith('https:'));
  if (boot.length === 0)
    throw new BoiError('bad-request', 'a token says where to join: --endpoints with https:// addresses of admin nodes');
  const [ttlMs, name, key] = [args.number('ttl'), args.text('bind-name'), args.text('bind-key')];
  if (name !== undefined) requireName('node', name, '/bind-name');
  const { token, claims } = await mintJoinToken(
    { clock: systemClock, random: systemRandom },
    {
      authority,
      cluster: authority.cluster,
      boot,
      ...(ttlMs === undefined ? {} : { ttlMs }),
      bind: { ...(name === undefined ? {} : { name }), ...(key === undefined ? {} : { key }) },
    },
  );
  return { id: claims.id, token, expiresAt: claims.expiresAt };
}

/** While the CA is replaced its file holds two certificates; the key says which one. */
async function authorityOf(keyFile: string, certificateFile: string): Promise<CertificateAuthority> {
  const { CertificateAuthority: Authority, readTrustBundle } = await import('@boi/identity');
  const key = await readSecret(keyFile, { private: true });
  let failure: unknown;
  for (const { pem } of readTrustBundle(await readSecret(certificateFile))) {
    try {
      return await Authority.load(pem, key);
    } catch (error) {
      failure = error;
    }
  }
  throw new BoiError('config-invalid', `${keyFile} is not the key of a CA in ${certificateFile}`, { cause: failure });
}

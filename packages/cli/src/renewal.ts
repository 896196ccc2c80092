/**
 * A user's certificate renews itself, as a node's does: the first command after two thirds of its life that reached the
 * cluster asks for a new one, for the same key, which stays here. One process at a time, under the lock of the configuration,
 * looking again at what is there by then; the file is replaced whole or not at all. Until it expires the old one stays good,
 * so an answer that is lost costs nothing.
 *
 * That it could not be renewed is told with what to do, and does not change what the command answers. After a failure it is
 * not tried again for some minutes, which commands while no admin node runs would pay for; the warning comes each time.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { BoiError } from '@boi/core/errors';
import { renewalDueAt } from '@boi/identity/profile';
import { configPath, updateConfig } from './config-file.ts';
import { type Bundle, certificateOf, parseBundle, readSecret } from './credential-file.ts';
import { asFailure } from './fail.ts';
import { relative } from './output/time.ts';
import type { Session, Shown } from './session.ts';

/** A command that is done does not wait for long. */
const TIMEOUT_MS = 5_000;
const RETRY_MS = 10 * 60_000;

/** Wall clock. Of a certificate that cannot be read: never. */
export function dueAt(pem: string): number {
  const found = certificateOf(pem);
  return found === undefined
    ? Number.POSITIVE_INFINITY
    : renewalDueAt({ notBefore: Date.parse(found.validFrom), notAfter: Date.parse(found.validTo) });
}

/** Whether the CA with this fingerprint, which is in the bundle `ca`, signed the certificate. */
export function signedBy(pem: string, ca: string, fingerprint: string): boolean {
  const issuers = (ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (text) => new X509Certificate(text),
  );
  const issuer = issuers.find(({ raw }) => createHash('sha256').update(raw).digest('hex') === fingerprint);
  return issuer !== undefined && new X509Certificate(pem).verify(issuer.publicKey);
}

/** Called when a command has ended well. Never throws for what is wrong with the renewal. */
export async function renewWhenDue(session: Session, { context, credentials }: Shown): Promise<void> {
  const { certificate } = credentials;
  if (certificate === undefined || session.io.now() < dueAt(certificate)) return;
  const mark = join(dirname(configPath(session.io.env)), 'renewals', `${encodeURIComponent(context)}.failed`);
  let why = 'it failed a short while ago';
  try {
    const failedAt = (await stat(mark).catch(() => undefined))?.mtimeMs ?? Number.NEGATIVE_INFINITY;
    if (Math.abs(Date.now() - failedAt) >= RETRY_MS) {
      await changeBundle(session, context, async (bundle) => {
        // Another command was faster.
        if (bundle.certificate === undefined || session.io.now() < dueAt(bundle.certificate)) return bundle;
        return renewCertificate(session, bundle);
      });
      await rm(mark, { force: true });
      return;
    }
  } catch (error) {
    if (asFailure(error) === undefined) throw error;
    why = (error as Error).message;
    await mkdir(dirname(mark), { recursive: true, mode: 0o700 });
    await writeFile(mark, '');
  }
  const expires = relative(Date.parse(certificateOf(certificate)?.validTo ?? ''), session.io.now());
  session.warn(
    `your certificate expires ${expires} and could not be renewed: ${why}; try again with \`boi-node context refresh\`, or ask an admin for \`boi-node user reissue\``,
  );
}

/** The bundle with a new certificate for its key, and all that is trusted now. */
export async function renewCertificate(session: Session, bundle: Bundle): Promise<Bundle> {
  if (bundle.key === undefined) throw new BoiError('wrong-state', 'there is no certificate to renew');
  const { createSigningRequest } = await import('@boi/identity');
  const csr = await createSigningRequest(bundle.key);
  const { certificate, ca } = await session.client.call('user.renew', { body: { csr }, timeoutMs: TIMEOUT_MS });
  return { ...bundle, certificate, ca };
}

/** Replaces the credentials of a context by what `change` makes of them, under the lock. Throws `wrong-state` without any. */
export async function changeBundle(
  session: Session,
  name: string,
  change: (bundle: Bundle) => Promise<Bundle>,
): Promise<void> {
  const { env } = session.io;
  await updateConfig(env, async (config, keepBundle) => {
    const context = Object.hasOwn(config.contexts, name) ? config.contexts[name] : undefined;
    const credentials = context?.credentials;
    if (context === undefined || credentials === undefined || isAbsolute(credentials))
      throw new BoiError('wrong-state', `context ${name} has no bundle of its own that could be refreshed`);
    const path = join(dirname(configPath(env)), credentials);
    const bundle = await change(parseBundle(path, await readSecret(path)));
    const kept = await keepBundle(name, bundle);
    return { ...config, contexts: { ...config.contexts, [name]: { ...context, credentials: kept } } };
  });
}

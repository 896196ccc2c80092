/**
 * Credentials of contexts, beside the configuration: `credentials/<context>.<digest>.json`, 0600, in a directory of 0700. The
 * name holds a digest of the content, so the configuration names one whole file: a new credential is written first, then the
 * configuration is renamed over to name it, then what no context names any more is removed.
 *
 * A context may name the identity directory of a node on this machine instead (an absolute path); it is read anew each time,
 * since the node renews its certificate.
 */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import type { Credentials } from '@boi/client';
import { BoiError } from '@boi/core/errors';

/** What an admin hands to a user, and what is kept of it. */
export interface Bundle {
  readonly v: 1;
  /** Cluster id. */
  readonly cluster?: string;
  readonly user?: { readonly id: string; readonly name: string };
  readonly endpoints?: readonly string[];
  /** PEM of the CAs that are trusted. */
  readonly ca: string;
  readonly certificate?: string;
  readonly key?: string;
  /** Bearer secret. */
  readonly secret?: string;
}

const DIRECTORY = 'credentials';
const BYTES_MAX = 262_144;

/** Answers how the configuration names the file. */
export async function writeBundle(configDir: string, context: string, bundle: Bundle): Promise<string> {
  const text = `${JSON.stringify(bundle, null, 2)}\n`;
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  const name = join(DIRECTORY, `${encodeURIComponent(context)}.${digest}.json`);
  await mkdir(join(configDir, DIRECTORY), { recursive: true, mode: 0o700 });
  await writeWhole(join(configDir, name), text);
  return name;
}

/** Old or new, never half: temporary file, flush, rename, and the directory flushed. Mode 0600. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(dirname(path), 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Removes the files no context names. Only under the lock of the configuration. */
export async function removeUnnamed(configDir: string, named: ReadonlySet<string>): Promise<void> {
  const present = await readdir(join(configDir, DIRECTORY)).catch(() => []);
  for (const file of present) {
    const name = join(DIRECTORY, file);
    if (!named.has(name)) await rm(join(configDir, name), { force: true });
  }
}

/** The credentials a context names. Throws `config-invalid` with the file and what is wrong; never with what is in it. */
export async function readCredentials(configDir: string, named: string): Promise<Credentials> {
  if (isAbsolute(named)) return readIdentityDirectory(named);
  const path = join(configDir, named);
  const { ca, certificate, key, secret } = parseBundle(path, await readSecret(path, PRIVATE));
  return { ca, certificate, key, bearer: secret };
}

/** `ca.pem`, `node.pem`, `node.key` of a node's data directory. */
async function readIdentityDirectory(directory: string): Promise<Credentials> {
  const [ca, certificate, key] = await Promise.all(
    ['ca.pem', 'node.pem', 'node.key'].map((file) => readSecret(join(directory, file), PRIVATE)),
  );
  return { ca, certificate, key };
}

const PRIVATE = { private: true };

/** Text of a file; with `private`, refused when others may read it. */
export async function readSecret(path: string, rule: { readonly private?: boolean } = {}): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode, size } = await file.stat();
      if (size > BYTES_MAX) throw new BoiError('config-invalid', `${path} is longer than ${BYTES_MAX} bytes`);
      if (rule.private === true && (mode & 0o077) !== 0)
        throw new BoiError('config-invalid', `${path} can be read by others; run: chmod 600 ${path}`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof BoiError) throw cause;
    throw new BoiError('config-invalid', `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

const TEXTS = ['cluster', 'ca', 'certificate', 'key', 'secret'] as const;
const KEYS: readonly string[] = ['v', 'user', 'endpoints', ...TEXTS];

/** A bundle, checked; `label` is how messages call it. */
export function parseBundle(label: string, text: string): Bundle {
  const wrong = (what: string) =>
    new BoiError('config-invalid', `${label}: ${what}; it must be a bundle as \`boi-node user create\` writes it`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('is not JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('is not an object');
  const found = value as Record<string, unknown>;
  if (found.v !== 1) throw wrong('"v" must be 1');
  for (const key of Object.keys(found)) if (!KEYS.includes(key)) throw wrong(`there is no key ${JSON.stringify(key)}`);
  for (const key of TEXTS) {
    if (found[key] !== undefined && typeof found[key] !== 'string') throw wrong(`"${key}" must be text`);
  }
  const { endpoints, user } = found;
  if (endpoints !== undefined && !(Array.isArray(endpoints) && endpoints.every((e) => typeof e === 'string')))
    throw wrong('"endpoints" must be a list of URLs');
  const { id, name } = (user ?? {}) as Record<string, unknown>;
  if (user !== undefined && (typeof id !== 'string' || typeof name !== 'string'))
    throw wrong('"user" must have an id and a name');
  const bundle = found as unknown as Bundle;
  checkCredentials(label, bundle);
  return bundle;
}

/** That the parts are what they say and fit together. */
export function checkCredentials(label: string, { ca, certificate, key, secret }: Omit<Bundle, 'v'>): void {
  const wrong = (what: string) => new BoiError('config-invalid', `${label}: ${what}`);
  if (ca === undefined || certificateOf(ca) === undefined) throw wrong('"ca" must be the PEM of a certificate');
  if ((certificate === undefined) !== (key === undefined))
    throw wrong('"certificate" and "key" come together; one of them is missing');
  if (certificate !== undefined) {
    const leaf = certificateOf(certificate);
    if (leaf === undefined) throw wrong('"certificate" must be the PEM of a certificate');
    if (!keyFits(leaf, key as string)) throw wrong('"key" is not the key of the certificate');
  }
  if (certificate === undefined && secret === undefined)
    throw wrong('it has neither a certificate with its key nor a secret');
  if (secret !== undefined && !/^[!-~]{1,512}$/.test(secret)) throw wrong('"secret" must be printable ASCII');
}

/** The first certificate of a PEM text, or undefined. */
export function certificateOf(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

function keyFits(certificate: X509Certificate, pem: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}

/**
 * The files of a cluster's first node, made before anything is written to the store: `cluster init` interrupted anywhere and
 * run again ends with the same ids. The order is what makes that so. `identity/founding.json` has the ids and is written
 * first; then the keys; then the certificates, which are made again from the same keys when they are missing. Called with
 * the data directory's lock held.
 */
import { join } from 'node:path';
import { BoiError, type NodeId, randomHex } from '@boi/core';
import { readJsonFile } from '@boi/system';
import { Type } from 'typebox';
import { CertificateAuthority, createAuthority, type IssueContext, type IssuedCertificate } from './authority.ts';
import { readCertificate, readTrustBundle } from './certificate.ts';
import { writeCredential } from './credential-file.ts';
import type { IdentityFiles } from './identity-files.ts';
import { CLUSTER_ID_PATTERN } from './profile.ts';
import { createSigningRequest, fingerprintOfKey, readSigningRequest } from './signing-request.ts';

const FoundingFile = Type.Object(
  { v: Type.Literal(1), cluster: Type.String({ pattern: CLUSTER_ID_PATTERN.source }), node: Type.String() },
  { additionalProperties: false },
);

export interface Founding {
  /** Id of the cluster that is founded, or was. */
  readonly cluster: string;
  readonly node: NodeId;
  readonly authority: CertificateAuthority;
  readonly certificate: IssuedCertificate;
}

export interface FoundingOptions extends IssueContext {
  readonly files: IdentityFiles;
  /** This node's id, as its data directory has it. */
  readonly node: NodeId;
  /** Names and addresses of its certificate. */
  readonly hosts: readonly string[];
}

/**
 * Makes what is missing and answers all of it. Throws `wrong-state` when the data directory already is a node's of a cluster
 * that it did not found, `config-invalid` when its files contradict each other.
 */
export async function prepareFounding(options: FoundingOptions): Promise<Founding> {
  const { files, node, hosts, clock, random } = options;
  const path = join(files.dir, 'founding.json');
  let saved = await readJsonFile(path, FoundingFile, { modeMax: 0o600 });
  if (saved === undefined) {
    for (const file of ['trust', 'certificate', 'caKey'] as const) {
      if ((await files.read(file)) === undefined) continue;
      throw new BoiError(
        'wrong-state',
        `${files.path(file)} exists: this data directory belongs to a cluster already; use another --data-dir`,
      );
    }
    saved = { v: 1, cluster: randomHex(random, 16), node };
    await writeCredential(path, `${JSON.stringify(saved)}\n`);
  }
  if (saved.node !== node) {
    throw new BoiError('config-invalid', `${path} names ${saved.node}, but the data directory is that of ${node}`);
  }
  const { cluster } = saved;
  const keyPem = await files.ensureKey('caKey');
  let pem = await files.read('trust');
  if (pem === undefined) {
    pem = (await createAuthority({ clock, random }, { cluster, keyPem })).pem;
    await files.write('trust', pem);
  }
  const authority = await CertificateAuthority.load(await ownCa(pem, keyPem, files), keyPem);
  const key = await files.ensureKey('key');
  const found = await files.read('certificate');
  if (found !== undefined) {
    const { pem: ownPem, fingerprint, serial, keyFingerprint, notBefore, notAfter } = readCertificate(found);
    const caFingerprint = authority.fingerprint;
    const certificate = { pem: ownPem, fingerprint, serial, keyFingerprint, caFingerprint, notBefore, notAfter };
    return { cluster, node, authority, certificate };
  }
  const request = await readSigningRequest(await createSigningRequest(key));
  const certificate = await authority.issue({ clock, random }, { request, cluster, role: 'node', id: node, hosts });
  await files.write('certificate', certificate.pem);
  return { cluster, node, authority, certificate };
}

/** While a CA is replaced the bundle has two: the one whose key is here. */
async function ownCa(bundle: string, keyPem: string, files: IdentityFiles): Promise<string> {
  const fingerprint = await fingerprintOfKey(keyPem);
  const own = readTrustBundle(bundle).find(({ keyFingerprint }) => keyFingerprint === fingerprint);
  if (own !== undefined) return own.pem;
  throw new BoiError('config-invalid', `${files.path('caKey')} is the key of no CA in ${files.path('trust')}`);
}

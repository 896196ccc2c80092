/** A cluster's CA with a virtual clock and seeded chance, and what is signed with it. */
import { IdMinter, type NodeId, type UserId } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import { CertificateAuthority, createAuthority, type IssuedCertificate, type IssueOptions } from '../authority.ts';
import { type Certificate, readCertificate } from '../certificate.ts';
import { createKey } from '../crypto.ts';
import { createSigningRequest, readSigningRequest, type SigningRequest } from '../signing-request.ts';

/** 21 November 2026. */
export const START_MS = 1_795_219_200_000;
export const CLUSTER = 'c0ffee00c0ffee00c0ffee00c0ffee00';
export const OTHER_CLUSTER = 'decaf000decaf000decaf000decaf000';

export interface Rig {
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly caKeyPem: string;
  readonly authority: CertificateAuthority;
  readonly trusted: readonly Certificate[];
  readonly node: NodeId;
  readonly user: UserId;
  readonly keyPem: string;
  readonly request: SigningRequest;
  issue(over?: Partial<IssueOptions>): Promise<{ issued: IssuedCertificate; certificate: Certificate }>;
}

export async function makeRig(seed = 1, cluster = CLUSTER): Promise<Rig> {
  const clock = new VirtualClock(START_MS);
  const random = new SeededRandom(seed);
  const io = { clock, random };
  const minter = new IdMinter(clock, random);
  const { pem, keyPem: caKeyPem } = await createAuthority(io, { cluster });
  const authority = await CertificateAuthority.load(pem, caKeyPem);
  const keyPem = await createKey();
  const request = await readSigningRequest(await createSigningRequest(keyPem));
  const node = minter.mint('node');
  return {
    ...{ clock, random, caKeyPem, authority, trusted: [authority.certificate] },
    ...{ node, user: minter.mint('user'), keyPem, request },
    issue: async (over = {}) => {
      const issued = await authority.issue(io, { request, cluster, role: 'node', id: node, ...over });
      return { issued, certificate: readCertificate(issued.pem) };
    },
  };
}

/** The code of the error that `work` throws. */
export async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    return (error as { code?: string }).code ?? `not a BoiError: ${String(error)}`;
  }
  return 'no error';
}

/**
 * The first start of a node with a join token. The key is made here and never leaves; the token names the CA, and nothing is
 * sent before the node that is asked has proven to be of that CA (no trust on first use). What comes back is checked as
 * strictly as a peer's certificate would be.
 *
 * Interrupted anywhere it is simply done again: the key is written first, and asking again with the same key and token gives
 * the same node. The certificate is written last, so its presence says that the node is enrolled. Called with the lock of
 * the data directory held.
 */
import { BoiClient, fetchPinnedCa, parseEndpoint } from '@boi/client';
import {
  BoiError,
  type Clock,
  type NodeId,
  type Random,
  type RouteAnswer,
  type RouteBody,
  requireId,
  sleep,
} from '@boi/core';
import {
  createSigningRequest,
  type IdentityFiles,
  identityOfPeer,
  readCertificate,
  readJoinToken,
  readTrustBundle,
} from '@boi/identity';
import type { Logger } from '@boi/system';
import type { DaemonConfig } from '../config.ts';
import { savedNodeId, saveNodeId } from '../identity.ts';
import { writeClusterFile } from './cluster-file.ts';
import { plannedAddress } from './planned-address.ts';

export interface EnrollOptions {
  readonly config: DaemonConfig;
  readonly files: IdentityFiles;
  readonly token: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** An admin node that restarts is back by then. */
const ASK_FOR_MS = 20_000;
const PAUSE_MS = 1_000;

/** Throws what the token is refused with, `untrusted-server`, or `unreachable`. */
export async function enroll(options: EnrollOptions): Promise<{ readonly node: NodeId }> {
  const { config, files, log, clock } = options;
  const dataDir = config['data-dir'];
  const token = options.token.trim();
  const claims = readJoinToken(token);
  const saved = await savedNodeId(dataDir);
  if (saved !== undefined && (await files.read('key')) === undefined) {
    throw new BoiError(
      'wrong-state',
      `${dataDir} is the data directory of ${saved}, which ran without identities; a token admits a new node: use another --data-dir`,
    );
  }
  const csr = await createSigningRequest(await files.ensureKey('key'));
  const { name } = config;
  const body = { token, csr, address: plannedAddress(config), ...(name === undefined ? {} : { name }) };
  const answer = await ask({ boot: claims.boot, fingerprint: claims.caFingerprint, body }, options);
  const node = accept(answer, claims.cluster, claims.caFingerprint, clock.now());
  if (saved !== undefined && saved !== node) {
    throw new BoiError(
      'wrong-state',
      `${dataDir} is the data directory of ${saved}, but the cluster knows its key as ${node}`,
    );
  }
  await files.write('trust', answer.ca);
  await writeClusterFile(dataDir, { v: 1, cluster: answer.cluster, etcd: answer.etcd, prefix: answer.prefix });
  await saveNodeId(dataDir, node);
  await files.write('certificate', answer.certificate);
  log.info({ node, cluster: answer.cluster, token: claims.id }, 'enrolled');
  return { node };
}

interface Request {
  readonly boot: readonly string[];
  /** Of the CA. */
  readonly fingerprint: string;
  readonly body: RouteBody<'join'>;
}

async function ask(
  { boot, fingerprint, body }: Request,
  { clock, random, log }: EnrollOptions,
): Promise<RouteAnswer<'join'>> {
  const until = clock.mono() + ASK_FOR_MS;
  for (;;) {
    let failure: BoiError | undefined;
    for (const url of boot) {
      try {
        const ca = await fetchPinnedCa(parseEndpoint(url), fingerprint);
        const client = new BoiClient({ endpoints: [url], credentials: { ca } });
        try {
          return await client.call('join', { body });
        } finally {
          client.close();
        }
      } catch (error) {
        // What is lost may have been applied: the same key asks again and is answered the same.
        if (!(error instanceof BoiError && isPassing(error))) throw error;
        failure = error;
        log.warn({ err: error, address: url }, 'not enrolled yet');
      }
    }
    if (clock.mono() >= until) throw failure ?? new BoiError('token-invalid', 'the token names no node to ask');
    await sleep(clock, PAUSE_MS * (0.5 + random.next()));
  }
}

function isPassing({ code }: BoiError): boolean {
  return ['unreachable', 'unavailable', 'store-unreachable', 'outcome-unknown', 'rate-limited'].includes(code);
}

/** The node's id, when the answer is what was asked for: a node's certificate of this cluster, under the pinned CA's trust. */
function accept(answer: RouteAnswer<'join'>, cluster: string, fingerprint: string, now: number): NodeId {
  const trusted = readTrustBundle(answer.ca);
  if (!trusted.some((ca) => ca.fingerprint === fingerprint)) {
    throw new BoiError('untrusted-server', 'the answer does not hold the CA that the token names');
  }
  const peer = identityOfPeer(readCertificate(answer.certificate).der, { cluster, trusted, now });
  if (!peer.ok || peer.peer.role !== 'node' || peer.peer.id !== answer.node) {
    const why = peer.ok ? 'it is not for this node' : peer.reason;
    throw new BoiError('untrusted-server', `the certificate in the answer cannot be used: ${why}`);
  }
  return requireId('node', answer.node, '/node');
}

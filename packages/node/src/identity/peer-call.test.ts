/** A request from node to node goes to the very node that is meant, or not at all. Real TLS on loopback. */
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeId, TaskId } from '@boi/core';
import {
  CertificateAuthority,
  createAuthority,
  createSigningRequest,
  IdentityFiles,
  readSigningRequest,
} from '@boi/identity';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTlsServer } from '../http/tls-server.ts';
import { remoteLogs } from '../remote-logs.ts';
import { Keychain } from './keychain.ts';
import { type Peer, PeerCalls, peerTls } from './peer-call.ts';

const io = { clock: systemClock, random: systemRandom };
const CLUSTER = 'c'.repeat(32);
const A = 'nod_01h455vb4pex5vsknk084sn00a' as NodeId;
const B = 'nod_01h455vb4pex5vsknk084sn00b' as NodeId;
const TASK = 'tsk_01h455vb4pex5vsknk084s0001' as TaskId;

let dir: string;
let authority: CertificateAuthority;
const servers: Server[] = [];
/** Requests that reached a handler. */
let reached: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-peer-'));
  authority = await newAuthority();
  reached = [];
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await rm(dir, { recursive: true, force: true });
});

async function newAuthority(): Promise<CertificateAuthority> {
  const { pem, keyPem } = await createAuthority(io, { cluster: CLUSTER });
  return CertificateAuthority.load(pem, keyPem);
}

async function keychain(node: NodeId, hosts: readonly string[] = ['127.0.0.1'], ca = authority): Promise<Keychain> {
  const files = new IdentityFiles(join(dir, `${node}-${hosts.join()}-${ca.fingerprint.slice(0, 8)}`));
  const request = await readSigningRequest(await createSigningRequest(await files.ensureKey('key')));
  const { pem } = await ca.issue(io, { request, cluster: CLUSTER, role: 'node', id: node, hosts });
  await files.write('trust', ca.certificate.pem);
  await files.write('certificate', pem);
  return Keychain.open(files, node, systemClock);
}

/** Serves with the credentials of `keys`; whoever asks is told `{}`. */
async function serve(keys: Keychain): Promise<string> {
  const server = createTlsServer(keys, { headerBytesMax: 16_384, requestTimeoutMs: 5_000 }, (request, response) => {
    reached.push(request.url ?? '');
    response.end('{}');
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const call = (from: Keychain, peer: Peer) => new PeerCalls(from, systemClock).post(peer, '/x', {});

describe('a call to a node', () => {
  test('reaches it when the certificate is its own', async () => {
    const address = await serve(await keychain(B));
    expect(await call(await keychain(A), { id: B, address })).toEqual({});
    expect(reached).toEqual(['/x']);
  });

  test('is not made to another node of the cluster at that address, though its certificate is good', async () => {
    const address = await serve(await keychain(A));
    await expect(call(await keychain(A), { id: B, address })).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(`not that of ${B} (node ${A})`),
    });
    expect(reached).toEqual([]);
  });

  test('is not made to a host that the certificate is not for, or under another CA', async () => {
    const elsewhere = await serve(await keychain(B, ['10.0.0.1']));
    await expect(call(await keychain(A), { id: B, address: elsewhere })).rejects.toThrow(/altnames|IP/);
    const foreign = await serve(await keychain(B, ['127.0.0.1'], await newAuthority()));
    await expect(call(await keychain(A), { id: B, address: foreign })).rejects.toMatchObject({ code: 'unreachable' });
    expect(reached).toEqual([]);
  });

  test('logs of another node are asked for in the same way, and never in plain HTTP', async () => {
    const own = await keychain(A);
    const logs = remoteLogs((peer) => peerTls(own, systemClock, peer.id));
    const read = async (peer: Peer) => {
      for await (const _ of logs(peer, TASK, {
        attempt: 1,
        delivery: 1,
        follow: false,
        signal: new AbortController().signal,
      }))
        break;
    };
    const address = await serve(own);
    await expect(read({ id: B, address })).rejects.toMatchObject({
      code: 'holder-unreachable',
      message: /not that of/,
    });
    await expect(read({ id: B, address: address.replace('https', 'http') })).rejects.toThrow();
    expect(reached).toEqual([]);
  });
});

test('new credentials are served without a restart to who connects next', async () => {
  const serving = await keychain(B);
  const address = await serve(serving);
  const asking = await keychain(A);
  const next = await newAuthority();
  const bundle = `${authority.certificate.pem}${next.certificate.pem}`;
  await asking.install({ trust: bundle });
  await call(asking, { id: B, address });
  const request = await readSigningRequest(await createSigningRequest(serving.key));
  const { pem } = await next.issue(io, { request, cluster: CLUSTER, role: 'node', id: B, hosts: ['127.0.0.1'] });
  await serving.install({ certificate: pem, trust: bundle });
  expect(serving.caFingerprint).toBe(next.fingerprint);
  await call(asking, { id: B, address });
  // Who trusts the old CA alone is the one that cannot go on.
  await expect(call(await keychain(A), { id: B, address })).rejects.toMatchObject({ code: 'unreachable' });
});

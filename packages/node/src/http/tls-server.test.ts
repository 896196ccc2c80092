/** Connections on which no request ever comes end by this side's doing: whoever can reach the port could else hold all there are. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { NodeId } from '@boi/core';
import {
  CertificateAuthority,
  createAuthority,
  createSigningRequest,
  IdentityFiles,
  readSigningRequest,
} from '@boi/identity';
import { systemClock, systemRandom } from '@boi/system';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Keychain } from '../identity/keychain.ts';
import { ConnectionLimit, onClientError } from './limits.ts';
import { createTlsServer } from './tls-server.ts';

const io = { clock: systemClock, random: systemRandom };
const CLUSTER = 'c'.repeat(32);
const NODE = 'nod_01h455vb4pex5vsknk084sn00a' as NodeId;

let dir: string;
let keys: Keychain;
let server: Server;
const clients: Socket[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'boi-tls-'));
  const { pem, keyPem } = await createAuthority(io, { cluster: CLUSTER });
  const ca = await CertificateAuthority.load(pem, keyPem);
  const files = new IdentityFiles(dir);
  const request = await readSigningRequest(await createSigningRequest(await files.ensureKey('key')));
  const issued = await ca.issue(io, { request, cluster: CLUSTER, role: 'node', id: NODE, hosts: ['127.0.0.1'] });
  await files.write('trust', ca.certificate.pem);
  await files.write('certificate', issued.pem);
  keys = await Keychain.open(files, NODE, systemClock);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

async function serve(handshakeTimeoutMs: number): Promise<void> {
  const options = { headerBytesMax: 16_384, requestTimeoutMs: 60_000, handshakeTimeoutMs };
  server = createTlsServer(keys, options, (_request, response) => response.end());
  server.on('clientError', onClientError);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
}

const port = () => (server.address() as AddressInfo).port;
const connections = () =>
  new Promise<number>((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  );

/** A client that never closes from its side. */
async function stubborn(bytes?: string | Buffer): Promise<void> {
  const accepted = once(server, 'connection');
  const client = connect({ port: port(), host: '127.0.0.1', allowHalfOpen: true }, () => {
    if (bytes !== undefined) client.write(bytes);
  });
  client.on('error', () => undefined).resume();
  clients.push(client);
  await accepted;
}

test.each([
  ['says nothing', undefined],
  ['stops within the handshake', Buffer.from('160301020001', 'hex')],
  ['speaks plain HTTP', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'],
])('a connection that %s is closed, though its client does not close it', async (_what, bytes) => {
  await serve(100);
  await stubborn(bytes);
  await expect.poll(connections, { timeout: 20_000 }).toBe(0);
});

test('a connection that shook hands and sends no HTTP is told so, and closed', async () => {
  await serve(60_000);
  let told = '';
  const options = { port: port(), host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true };
  const client = tls.connect(options, () => client.write('EHLO example.org\r\n\r\n'));
  clients.push(client.on('error', () => undefined));
  client.on('data', (chunk) => {
    told += chunk.toString();
  });
  await expect.poll(() => told, { timeout: 20_000 }).toMatch(/^HTTP\/1\.1 400 /);
  await expect.poll(connections, { timeout: 20_000 }).toBe(0);
});

test('a server that is stopped does not wait for connections on which nothing was asked', async () => {
  await serve(60_000);
  const limit = new ConnectionLimit(server, 10);
  await stubborn();
  const options = { port: port(), host: '127.0.0.1', rejectUnauthorized: false, allowHalfOpen: true };
  const shaken = once(server, 'secureConnection');
  clients.push(tls.connect(options).on('error', () => undefined));
  await shaken;
  expect(await connections()).toBe(2);
  limit.end();
  await expect.poll(connections, { timeout: 20_000 }).toBe(0);
  await stubborn();
  await expect.poll(connections, { timeout: 20_000 }).toBe(0);
});

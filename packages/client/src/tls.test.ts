import { createServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { BoiError } from '@boi/core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BoiClient } from './client.ts';
import { parseEndpoint } from './endpoint.ts';
import { clusterView, type IssuedPair, NODE_ID, nodeView, StubApi, TestCa } from './testing/index.ts';
import { type Credentials, fetchPinnedCa, handshakeRefusal } from './tls.ts';

let ca: TestCa;
let stranger: TestCa;
let node: IssuedPair;
let user: IssuedPair;
const open: { stop(): Promise<void> | void }[] = [];

beforeAll(async () => {
  ca = await TestCa.create();
  stranger = await TestCa.create('another');
  node = await ca.issue('nod_1');
  user = await ca.issue('usr_1');
});
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.stop();
});

async function stub(pair: IssuedPair = node, more: object = {}): Promise<StubApi> {
  const api = await StubApi.start({ cert: pair.certificate + ca.pem, key: pair.key, minVersion: 'TLSv1.3', ...more });
  open.push(api);
  return api.on('cluster.show', () => clusterView()).on('node.cordon', () => nodeView());
}

function client(endpoints: readonly string[], credentials: Credentials = { ca: ca.pem }): BoiClient {
  const made = new BoiClient({ endpoints, credentials, timeoutMs: 2_000, retryForMs: 0 });
  open.push({ stop: () => made.close() });
  return made;
}

const cordon = { params: { nod: NODE_ID }, body: {} } as const;
const outcome = (call: Promise<unknown>): Promise<unknown> => call.catch((error: BoiError) => error);

describe('over TLS', () => {
  it('shows its certificate, and speaks 1.3', async () => {
    const api = await stub(node, { ca: ca.pem, requestCert: true, rejectUnauthorized: true });
    let seen: unknown;
    api.on('cluster.show', ({ request }) => {
      const socket = request.socket as TLSSocket;
      seen = [socket.getPeerCertificate().subject.CN, socket.getProtocol(), request.headers.authorization];
      return clusterView();
    });
    await client([api.url], { ca: ca.pem, certificate: user.certificate, key: user.key }).call('cluster.show', {});
    expect(seen).toEqual(['usr_1', 'TLSv1.3', undefined]);
  });

  it('sends a bearer secret, but never without TLS', async () => {
    const [secure, plain] = [await stub(), await StubApi.start()];
    open.push(plain);
    const seen: (string | undefined)[] = [];
    for (const api of [secure, plain]) {
      api.on('cluster.show', ({ request }) => {
        seen.push(request.headers.authorization);
        return clusterView();
      });
      await client([api.url], { ca: ca.pem, bearer: 'boi_secret' }).call('cluster.show', {});
    }
    expect(seen).toEqual(['Bearer boi_secret', undefined]);
  });

  it('trusts the given CA alone, also when the environment says to trust all', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const api = await stub();
      const refusal = await outcome(client([api.url], { ca: stranger.pem }).call('node.cordon', cordon));
      expect(refusal).toMatchObject({ code: 'untrusted-server', exitCode: 5 });
      expect((refusal as BoiError).message).toContain("not of this context's CA");
      expect(api.calls).toEqual([]);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
  });

  it('trusts both CAs of a bundle, as while the CA is rotated', async () => {
    const api = await stub();
    await client([api.url], { ca: stranger.pem + ca.pem }).call('cluster.show', {});
    expect(api.calls).toHaveLength(1);
  });

  it('refuses a certificate for another host, naming the hosts it is for', async () => {
    const api = await stub(await ca.issue('nod_2', { hosts: ['build-2.example', '10.1.2.3'] }));
    const refusal = (await outcome(client([api.url]).call('cluster.show', {}))) as BoiError;
    expect(refusal.code).toBe('untrusted-server');
    expect(refusal.message).toContain('not for 127.0.0.1 but for build-2.example, 10.1.2.3');
  });

  it.each([
    ['has expired', { notBefore: new Date(0), notAfter: new Date(1_000) }],
    ['not valid yet', { notBefore: new Date(Date.now() + 3_600_000), notAfter: new Date(Date.now() + 7_200_000) }],
  ])('refuses a certificate that %s', async (text, dates) => {
    const api = await stub(await ca.issue('nod_3', dates));
    expect(await outcome(client([api.url]).call('cluster.show', {}))).toMatchObject({
      code: 'untrusted-server',
      message: expect.stringContaining(text),
    });
  });

  it('needs a CA, and a key with a certificate', async () => {
    const api = await stub();
    expect(await outcome(client([api.url], {}).call('cluster.show', {}))).toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('--bundle'),
    });
    const half = client([api.url], { ca: ca.pem, certificate: user.certificate });
    expect(await outcome(half.call('cluster.show', {}))).toMatchObject({ code: 'config-invalid' });
    expect(api.calls).toEqual([]);
  });

  it.each([
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
  ])('takes %s as a refusal of the own certificate', (code) => {
    const refusal = handshakeRefusal(parseEndpoint('https://10.0.0.1'), Object.assign(new Error('alert'), { code }));
    expect(refusal).toMatchObject({ code: 'unauthenticated', message: expect.stringContaining('user reissue') });
  });

  it('does not take a cut connection for a refusal', () => {
    const error = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
    expect(handshakeRefusal(parseEndpoint('https://10.0.0.1'), error)).toBeUndefined();
  });

  it('says that the other end does not speak TLS', async () => {
    const plain = await StubApi.start();
    open.push(plain);
    const refusal = await outcome(client([plain.url.replace('http:', 'https:')]).call('cluster.show', {}));
    expect(refusal).toMatchObject({ code: 'untrusted-server', message: expect.stringContaining('--insecure') });
  });

  it('goes on to a node it trusts after one it does not', async () => {
    const [other, good] = [await stub(await ca.issue('nod_2', { hosts: ['elsewhere'] })), await stub()];
    await client([other.url, good.url]).call('node.cordon', cordon);
    expect([other.calls.length, good.calls.length]).toEqual([0, 1]);
  });
});

describe('a node that does not sign', () => {
  it('is followed to the admin nodes it names, the first that answers serves', async () => {
    const [plain, admin] = [await stub(), await stub()];
    const dead = await stub();
    await dead.stop();
    plain.on('node.cordon', () => {
      throw new BoiError('not-admin-node', 'ask an admin node', { details: { admins: [dead.url, admin.url] } });
    });
    await client([plain.url]).call('node.cordon', cordon);
    expect([plain.calls.length, admin.calls.length]).toEqual([1, 1]);
  });

  it('is not followed round in circles', async () => {
    const plain = await stub();
    plain.on('node.cordon', () => {
      throw new BoiError('not-admin-node', 'ask an admin node', { details: { admins: [plain.url] } });
    });
    expect(await outcome(client([plain.url]).call('node.cordon', cordon))).toMatchObject({ code: 'not-admin-node' });
    expect(plain.calls).toHaveLength(2);
  });
});

describe('the CA behind an address', () => {
  it('is taken by its fingerprint, and by nothing else', async () => {
    const api = await stub();
    const endpoint = parseEndpoint(api.url);
    expect(await fetchPinnedCa(endpoint, ca.fingerprint)).toBe(ca.pem);
    expect(await outcome(fetchPinnedCa(endpoint, stranger.fingerprint))).toMatchObject({ code: 'untrusted-server' });
  });

  it('is not taken from who sends it along without being certified by it: the request after it is refused', async () => {
    // The CA's certificate is public, so anybody can put it into a chain.
    const forged = await stranger.issue('nod_1');
    const api = await stub(forged);
    const pinned = await fetchPinnedCa(parseEndpoint(api.url), ca.fingerprint).catch(() => undefined);
    expect(await outcome(client([api.url], { ca: pinned ?? ca.pem }).call('cluster.show', {}))).toMatchObject({
      code: 'untrusted-server',
    });
    expect(api.calls).toEqual([]);
  });

  it('is waited for no longer than said', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    open.push({ stop: () => void silent.close() });
    const endpoint = parseEndpoint(`https://127.0.0.1:${(silent.address() as { port: number }).port}`);
    expect(await outcome(fetchPinnedCa(endpoint, ca.fingerprint, { timeoutMs: 50 }))).toMatchObject({
      code: 'unreachable',
    });
  });
});

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { readCertificate, readCertificateDer } from './certificate.ts';
import { ALGORITHM, readKey, x509 } from './crypto.ts';
import { identityOfPeer, type PeerAnswer } from './peer.ts';
import { CA_TTL_MS, NODE_TTL_MS, parsePeerUri, peerUri } from './profile.ts';
import { CLUSTER, makeRig, OTHER_CLUSTER, type Rig, START_MS } from './testing/rig.ts';

let rig: Rig;
let other: Rig;

beforeAll(async () => {
  rig = await makeRig(1);
  other = await makeRig(2);
});

const check = (der: Uint8Array, over: Partial<Parameters<typeof identityOfPeer>[1]> = {}): PeerAnswer =>
  identityOfPeer(der, { cluster: CLUSTER, trusted: rig.trusted, now: START_MS, ...over });
const reason = (answer: PeerAnswer) => (answer.ok ? 'ok' : answer.reason);

describe('the other end of a connection', () => {
  test('is whom its certificate names', async () => {
    const { issued, certificate } = await rig.issue();
    const { serial, fingerprint, notBefore, notAfter } = issued;
    const times = { notBefore, notAfter };
    const answer = check(certificate.der);
    const peer = { cluster: CLUSTER, role: 'node', id: rig.node, serial, fingerprint, ...times };
    expect(answer).toEqual({ ok: true, peer: { ...peer, caFingerprint: rig.authority.fingerprint } });
    const user = await rig.issue({ role: 'user', id: rig.user });
    expect(check(user.certificate.der)).toMatchObject({ ok: true, peer: { role: 'user', id: rig.user } });
  });

  test('is known by either of two CAs while one replaces the other, and by no third', async () => {
    const both = [...other.trusted, ...rig.trusted];
    const { certificate } = await rig.issue();
    expect(check(certificate.der, { trusted: both })).toMatchObject({
      ok: true,
      peer: { caFingerprint: rig.authority.fingerprint },
    });
    const foreign = await (await makeRig(3)).issue();
    expect(reason(check(foreign.certificate.der, { trusted: both }))).toBe('untrusted');
    expect(reason(check(certificate.der, { trusted: [] }))).toBe('untrusted');
  });

  test('is nobody before its certificate begins, from its end on, and with an expired CA', async () => {
    const { issued, certificate } = await rig.issue();
    expect(reason(check(certificate.der, { now: issued.notBefore - 1 }))).toBe('not-yet-valid');
    expect(reason(check(certificate.der, { now: issued.notBefore }))).toBe('ok');
    expect(reason(check(certificate.der, { now: issued.notAfter - 1 }))).toBe('ok');
    expect(reason(check(certificate.der, { now: issued.notAfter }))).toBe('expired');
    expect(issued.notAfter).toBe(START_MS + NODE_TTL_MS);
    expect(reason(check(certificate.der, { now: START_MS + CA_TTL_MS }))).toBe('expired');
  });

  test('of another cluster is refused also when its CA is trusted', async () => {
    const { certificate } = await rig.issue({ cluster: OTHER_CLUSTER });
    expect(reason(check(certificate.der))).toBe('wrong-cluster');
  });

  test('is not the CA itself, nor one signed by a node', async () => {
    expect(reason(check(rig.authority.certificate.der))).toBe('malformed');
    const { issued } = await rig.issue();
    const keys = await readKey(rig.keyPem);
    const byNode = await x509.X509CertificateGenerator.create({
      serialNumber: '41',
      subject: `CN=${rig.user}`,
      issuer: new x509.X509Certificate(readCertificate(issued.pem).der as Uint8Array<ArrayBuffer>).subjectName,
      notBefore: new Date(START_MS - 1000),
      notAfter: new Date(START_MS + 1000),
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.SubjectAlternativeNameExtension([{ type: 'url', value: `boi://${CLUSTER}/user/${rig.user}` }]),
      ],
    });
    expect(reason(check(new Uint8Array(byNode.rawData)))).toBe('untrusted');
    expect(reason(check(new Uint8Array(byNode.rawData), { trusted: [readCertificate(issued.pem)] }))).toBe('untrusted');
  });

  /** Signed by the right CA, with what the profile does not allow. */
  async function signed(over: {
    names?: { type: 'url' | 'dns'; value: string }[];
    subject?: string;
    usage?: string[];
    ca?: boolean;
  }) {
    const uri = { type: 'url' as const, value: peerUri({ cluster: CLUSTER, role: 'node', id: rig.node }) };
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: '42',
      subject: over.subject ?? `CN=${rig.node}`,
      issuer: new x509.X509Certificate(rig.authority.certificate.der as Uint8Array<ArrayBuffer>).subjectName,
      notBefore: new Date(START_MS - 1000),
      notAfter: new Date(START_MS + 1000),
      publicKey: (await readKey(rig.keyPem)).publicKey,
      signingKey: rig.authority.key,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(over.ca ?? false),
        new x509.ExtendedKeyUsageExtension(over.usage ?? ['1.3.6.1.5.5.7.3.2']),
        new x509.SubjectAlternativeNameExtension(over.names ?? [uri]),
      ],
    });
    return new Uint8Array(certificate.rawData);
  }

  test('has exactly one identity, its subject agrees, and it is meant for clients', async () => {
    const name = (role: 'node' | 'user', id: string) => ({
      type: 'url' as const,
      value: `boi://${CLUSTER}/${role}/${id}`,
    });
    expect(reason(check(await signed({})))).toBe('ok');
    expect(reason(check(await signed({ names: [name('node', rig.node), name('user', rig.user)] })))).toBe('malformed');
    expect(reason(check(await signed({ names: [{ type: 'dns', value: 'a.example' }] })))).toBe('malformed');
    expect(reason(check(await signed({ names: [name('user', rig.node)] })))).toBe('malformed');
    expect(reason(check(await signed({ subject: `CN=${rig.user}` })))).toBe('malformed');
    expect(reason(check(await signed({ usage: ['1.3.6.1.5.5.7.3.1'] })))).toBe('malformed');
    expect(reason(check(await signed({ ca: true })))).toBe('malformed');
  });

  test('with anything after its certificate is refused: one certificate has one fingerprint', async () => {
    const { certificate } = await rig.issue();
    expect(reason(check(Uint8Array.from([...certificate.der, 0])))).toBe('malformed');
  });

  test('is never known by a certificate with one bit changed', async () => {
    const { certificate } = await rig.issue();
    fc.assert(
      fc.property(fc.nat({ max: certificate.der.length * 8 - 1 }), (bit) => {
        const changed = Uint8Array.from(certificate.der);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(check(changed).ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  test('that sends any bytes is answered, never with an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        expect(reason(check(bytes))).toBe('malformed');
      }),
      { numRuns: 300 },
    );
    expect(() => readCertificateDer(new Uint8Array(9000))).toThrow(/8192/);
  });
});

describe('the URI of an identity', () => {
  test('is read as it is written', () => {
    for (const role of ['user', 'plugin'] as const) {
      const name = { cluster: CLUSTER, role, id: rig.user };
      expect(parsePeerUri(peerUri(name))).toEqual(name);
    }
  });

  test.each([
    (uri: string) => uri.toUpperCase(),
    (uri: string) => `${uri}/`,
    (uri: string) => `${uri}\n`,
    (uri: string) => ` ${uri}`,
    (uri: string) => uri.replace('node', 'admin'),
    (uri: string) => uri.replace('node', 'user'),
    (uri: string) => uri.replace('//', '//x@'),
    (uri: string) => uri.slice(0, -1),
  ])('has one spelling (%#)', (change) => {
    expect(parsePeerUri(change(peerUri({ cluster: CLUSTER, role: 'node', id: rig.node })))).toBeUndefined();
  });

  test('any other text is none', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), (text) => {
        const name = parsePeerUri(text);
        expect(name === undefined || peerUri(name) === text).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

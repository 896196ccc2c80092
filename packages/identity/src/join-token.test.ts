import fc from 'fast-check';
import { CompactSign, UnsecuredJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { mintJoinToken, readJoinToken, TOKEN_TTL_MS_DEFAULT, TOKEN_TTL_MS_MAX, verifyJoinToken } from './join-token.ts';
import { CLUSTER, codeOf, makeRig, OTHER_CLUSTER, type Rig, START_MS } from './testing/rig.ts';

let rig: Rig;
let token: string;

beforeAll(async () => {
  rig = await makeRig();
  token = (await mint()).token;
});

const BOOT = ['https://a.example:7420', 'https://[::1]:7420'];
const mint = (over: Partial<Parameters<typeof mintJoinToken>[1]> = {}) =>
  mintJoinToken(rig, { authority: rig.authority, cluster: CLUSTER, boot: BOOT, ...over });
const verify = (text: string, over: Partial<Parameters<typeof verifyJoinToken>[1]> = {}) =>
  verifyJoinToken(text, { cluster: CLUSTER, trusted: rig.trusted, now: START_MS, ...over });

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const payloadOf = (text: string) =>
  JSON.parse(Buffer.from(text.split('.')[1] as string, 'base64url').toString()) as Record<string, unknown>;
/** Signed with the CA's key, and with any header and payload. */
const forge = (payload: unknown, header: object = { alg: 'ES256', typ: 'boi-join+jwt' }) =>
  new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader(header as { alg: string })
    .sign(rig.authority.key);

describe('a join token', () => {
  test('says what it was made for, to the host and to the signer alike', async () => {
    const bind = { name: 'n1', key: 'a'.repeat(64) };
    const made = await mint({ bind });
    expect(made.claims).toEqual({
      id: made.claims.id,
      issuedAt: START_MS,
      expiresAt: START_MS + TOKEN_TTL_MS_DEFAULT,
      caFingerprint: rig.authority.fingerprint,
      cluster: CLUSTER,
      boot: BOOT,
      bind,
    });
    expect(readJoinToken(made.token)).toEqual(made.claims);
    expect(await verify(made.token)).toEqual(made.claims);
  });

  test('expires to the second', async () => {
    const { token: short, claims } = await mint({ ttlMs: 10_000 });
    expect(await verify(short, { now: claims.expiresAt - 1 })).toBeDefined();
    expect(await codeOf(() => verify(short, { now: claims.expiresAt }))).toBe('token-expired');
  });

  test('of another cluster, or of a CA that is not trusted any more, says so', async () => {
    const other = await makeRig(2);
    expect(await codeOf(() => verify(token, { trusted: other.trusted }))).toBe('token-wrong-cluster');
    expect(await codeOf(() => verify(token, { cluster: OTHER_CLUSTER }))).toBe('token-wrong-cluster');
    expect(await verify(token, { trusted: [...other.trusted, ...rig.trusted] })).toBeDefined();
  });

  test('whose claims were changed is invalid', async () => {
    const [head, , signature] = token.split('.');
    const changed = payloadOf(token);
    for (const claim of [{ exp: Number(changed.exp) + 3600 }, { bind: { name: 'x' } }, { boot: ['https://evil:1'] }]) {
      const tampered = [head, part({ ...changed, ...claim }), signature].join('.');
      expect(await codeOf(() => verify(tampered))).toBe('token-invalid');
    }
  });

  test('that is not signed, or by another way, is invalid', async () => {
    const payload = payloadOf(token);
    const [head, body] = token.split('.') as [string, string];
    const hmac = await new CompactSign(Buffer.from(body))
      .setProtectedHeader({ alg: 'HS256', typ: 'boi-join+jwt' })
      .sign(Buffer.from(rig.authority.certificate.pem));
    const other = await makeRig(3);
    const byOther = await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'ES256', typ: 'boi-join+jwt' })
      .sign(other.authority.key);
    const forged = [
      new UnsecuredJWT(payload).encode(),
      `${part({ alg: 'none', typ: 'boi-join+jwt' })}.${body}.`,
      `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`,
      hmac,
      byOther,
      await forge(payload, { alg: 'ES256', typ: 'JWT' }),
      await forge(payload, { alg: 'ES256' }),
      await forge(payload, { alg: 'ES256', typ: 'boi-join+jwt', kid: 'x' }),
    ];
    for (const text of forged) expect(await codeOf(() => verify(text))).toBe('token-invalid');
  });

  test('has exactly its fields, each in its form', async () => {
    const good = payloadOf(token);
    expect(await verify(await forge(good))).toBeDefined();
    const bad: Record<string, unknown>[] = [
      { ...good, role: 'admin' },
      { ...good, admin: true },
      { ...good, jti: 'tok_1' },
      { ...good, jti: String(good.jti).replace('tok', 'usr') },
      { ...good, jti: `${String(good.jti)}\n` },
      { ...good, exp: String(good.exp) },
      { ...good, exp: 1.5 },
      { ...good, boot: [] },
      { ...good, boot: ['http://a:1'] },
      { ...good, boot: ['https://user@a:1'] },
      { ...good, boot: ['https://a:1/path'] },
      { ...good, ca: 'AA' },
      { ...good, bind: { name: '' } },
      { ...good, bind: { id: 'x' } },
      { ...good, bind: null },
      { ...good, iat: Number(good.iat) + 3600, exp: Number(good.exp) + 3600 },
      { ...good, exp: Number(good.iat) + TOKEN_TTL_MS_MAX / 1000 + 1 },
    ];
    for (const payload of bad) {
      const text = await forge(payload);
      expect([payload, await codeOf(() => verify(text))]).toEqual([payload, 'token-invalid']);
    }
    for (const field of Object.keys(good)) {
      const { [field]: _gone, ...rest } = good;
      expect(await codeOf(async () => verify(await forge(rest)))).toBe('token-invalid');
    }
  });

  test('has one spelling: no padding, no other alphabet, no stray bits, nothing around it', async () => {
    const [head, body, signature] = token.split('.') as [string, string, string];
    const last = signature.at(-1) as string;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // 64 bytes leave four bits unused in the last character.
    const stray = `${signature.slice(0, -1)}${alphabet[alphabet.indexOf(last) ^ 1]}`;
    const spellings = [
      `${token}=`,
      `${token}\n`,
      ` ${token}`,
      `${head}=.${body}.${signature}`,
      `${head}.${body}.${stray}`,
      `${token}.`,
      `${head}.${body}`,
      token.replaceAll('.', '..'),
      'x'.repeat(5000),
      '',
    ];
    for (const text of spellings) expect([text, await codeOf(() => verify(text))]).toEqual([text, 'token-invalid']);
  });

  test.each([
    { ttlMs: 9_999 },
    { ttlMs: TOKEN_TTL_MS_MAX + 1 },
    { ttlMs: Number.NaN },
    { boot: [] },
    { boot: ['http://a:1'] },
    { boot: Array.from({ length: 17 }, (_, i) => `https://h${i}:1`) },
    { bind: { key: 'AB' } },
    { bind: { name: '' } },
  ])('is not made as %j', async (over) => {
    expect(await codeOf(() => mint(over))).toBe('bad-request');
  });

  test('no error about one quotes it', async () => {
    const error = await verify(`${token.slice(0, -6)}AAAAAA`).catch((e: unknown) => e);
    const secret = token.split('.')[2] as string;
    expect(JSON.stringify([(error as Error).stack, (error as { details?: object }).details])).not.toContain(
      secret.slice(0, 20),
    );
  });

  test('is invalid with any one character changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: token.length - 1 }), fc.constantFrom(...'Aa0-_.= é'), async (at, character) => {
        fc.pre(token[at] !== character);
        const changed = token.slice(0, at) + character + token.slice(at + 1);
        // A changed fingerprint of the CA is that of another cluster.
        expect(['token-invalid', 'token-wrong-cluster']).toContain(await codeOf(() => verify(changed)));
      }),
      { numRuns: 300 },
    );
  });

  test('any text is read or refused, never with another exception', async () => {
    const json = fc.jsonValue({ maxDepth: 2 }).map(part);
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.tuple(json, json, fc.base64String({ maxLength: 90 })).map((parts) => parts.join('.')),
      fc
        .tuple(fc.constant(token.split('.')[0] as string), json, fc.constant(token.split('.')[2] as string))
        .map((parts) => parts.join('.')),
    );
    await fc.assert(
      fc.asyncProperty(text, async (any) => {
        expect(await codeOf(() => verify(any))).toBe('token-invalid');
      }),
      { numRuns: 400 },
    );
  });
});

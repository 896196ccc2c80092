import { randomBytes } from 'node:crypto';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Home } from '../testing/harness.ts';
import { Redactor } from './redact.ts';

let home: Home;
beforeEach(async () => {
  home = await Home.make();
});
afterEach(() => home.remove());

const secret = (what: string) => `${what}-${randomBytes(12).toString('hex')}`;

async function filesOf(path: string): Promise<{ bytes: Buffer; files: Map<string, string> }> {
  const bytes = gunzipSync(await readFile(path));
  const files = new Map<string, string>();
  const tar = extract();
  tar.on('entry', (header, stream, next) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      files.set(header.name, Buffer.concat(chunks).toString());
      next();
    });
  });
  tar.end(bytes);
  await new Promise<void>((resolve, reject) => tar.once('finish', resolve).once('error', reject));
  return { bytes, files };
}

describe('doctor --bundle', () => {
  it('holds nothing of the secrets that were planted in every place it reads', async () => {
    const planted = {
      environment: secret('env'),
      inSecretsFile: secret('file'),
      credential: secret('credential'),
      addressPassword: secret('address'),
      logField: secret('field'),
      logText: secret('text'),
      logNested: secret('nested'),
      keyLine: randomBytes(30).toString('base64'),
      jwt: `eyJ${randomBytes(12).toString('hex')}.eyJ${randomBytes(12).toString('hex')}.${randomBytes(12).toString('hex')}`,
      quoted: `a"b\\${secret('quoted')}`,
    };
    const secretsFile = join(home.directory, 'secrets.json');
    await writeFile(secretsFile, JSON.stringify({ DEPLOY: planted.inSecretsFile, MORE: { deep: planted.quoted } }));
    await mkdir(join(home.directory, 'credentials'));
    await writeFile(
      join(home.directory, 'credentials', 'lab.1.json'),
      JSON.stringify({ v: 1, endpoints: ['http://127.0.0.1:9'], secret: planted.credential }),
    );
    const log = join(home.directory, 'daemon.log');
    const lines = [
      { msg: 'ready', node: 'nod_01kapz0vge5n3m8q2r7t4w0000' },
      { msg: 'joined', token: planted.logField, details: { joinToken: [planted.logNested] } },
      { msg: `etcd at http://root:${planted.addressPassword}@10.0.0.1:2379 says password=${planted.logText}` },
      {
        msg: `task printed ${planted.environment} and ${planted.inSecretsFile}, ${planted.credential}`,
        q: planted.quoted,
      },
      { msg: `authorization: Bearer ${planted.jwt}` },
    ].map((line) => JSON.stringify(line));
    lines.push(`-----BEGIN PRIVATE KEY-----\\n${planted.keyLine}\\n-----END PRIVATE KEY-----`, `plain ${planted.jwt}`);
    await writeFile(log, lines.map((line) => `${line}\n`).join(''));

    const file = join(home.directory, 'report.tar.gz');
    const done = await home.run(['doctor', '--endpoints', 'http://127.0.0.1:9', '--bundle', file, '--log', log], {
      env: { BOI_SECRETS_FILE: secretsFile, DEPLOY_TOKEN: planted.environment },
    });
    expect(done.code).toBe(3);
    expect(done.stderr).toContain('report.tar.gz is written');
    const { bytes, files } = await filesOf(file);
    for (const [where, value] of Object.entries(planted)) {
      expect(bytes.includes(value), where).toBe(false);
      expect(bytes.includes(JSON.stringify(value).slice(1, -1)), `${where}, as JSON`).toBe(false);
    }
    expect([...files.keys()].sort()).toEqual(
      ['config.json', 'findings.json', 'log.jsonl', 'missing.txt', 'version.json'].map((name) => `report/${name}`),
    );
    expect(files.get('report/log.jsonl')).toContain('nod_01kapz0vge5n3m8q2r7t4w0000');
    expect(files.get('report/log.jsonl')?.split('\n')).toHaveLength(lines.length + 1);
    expect(files.get('report/missing.txt')).toMatch(/^cluster\.json: .*connection refused/);
    expect(files.get('report/findings.json')).toContain('connection refused');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it('is not written through what stands where it is made', async () => {
    const file = join(home.directory, 'report.tar.gz');
    const others = join(home.directory, 'others');
    await writeFile(others, 'untouched', { mode: 0o644 });
    await symlink(others, `${file}.half`);
    await home.run(['doctor', '--endpoints', 'http://127.0.0.1:9', '--bundle', file]);
    expect(await readFile(others, 'utf8')).toBe('untouched');
    expect((await filesOf(file)).files.has('report/version.json')).toBe(true);
  });

  it('takes the end of a long log, and never writes over a file', async () => {
    const log = join(home.directory, 'long.log');
    await writeFile(log, Array.from({ length: 5_000 }, (_, i) => `line ${i}\n`).join(''));
    const file = join(home.directory, 'report.tar.gz');
    const words = ['doctor', '--endpoints', 'http://127.0.0.1:9', '--bundle', file, '--log', log];
    await home.run(words);
    const { files } = await filesOf(file);
    const kept = files.get('report/log.jsonl')?.trim().split('\n');
    expect(kept).toHaveLength(2_000);
    expect(kept?.at(-1)).toBe('line 4999');
    const before = await readFile(file);
    const again = await home.run(words);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('there is something already');
    expect(await readFile(file)).toEqual(before);
  });
});

describe('redaction', () => {
  it('leaves no known secret in any text, wherever it stands', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), fc.string(), fc.string(), (secretText, before, after) => {
        fc.pre(secretText.trim().length >= 6 && !'[redacted]'.includes(secretText.trim()));
        const clean = new Redactor([secretText]).text(before + secretText + after);
        expect(clean.replaceAll('[redacted]', '')).not.toContain(secretText);
      }),
    );
  });

  it('keeps what a report is read by', () => {
    const text =
      'task tsk_01kapz0vge5n3m8q2r7t4w0001 of nod_01kapz0vge5n3m8q2r7t4w0000 at http://10.0.0.1:7440, fence 48';
    expect(new Redactor([]).text(text)).toBe(text);
  });

  it.each(['secret-', '?token', 'a-', 'a', 'eyJaaaaaaaa-', 'a://', 'token ', '-----BEGIN A-----', '{"a":'])(
    'takes no time for a long line of %j',
    (part) => {
      const redactor = new Redactor([]);
      const startedMs = performance.now();
      redactor.line(part.repeat(64_000 / part.length));
      redactor.line(`{"msg":${JSON.stringify(part.repeat(60_000 / part.length))}}`);
      expect(performance.now() - startedMs).toBeLessThan(10_000);
    },
  );

  it('cuts a line that is longer, and leaves no part of a secret at its end', () => {
    const known = 'S3cr3t-of-this-host';
    const line = new Redactor([known]).line(`${'x'.repeat(64 * 1024 - 8)}${known}${'y'.repeat(100)}`);
    expect(line).toMatch(/x\[redacte… \(\d+ more\)$/);
    expect(line).not.toContain('S3cr');
  });

  it.each([
    ['password=hunter22', 'hunter22'],
    ['"x-auth-token" : "abc\\"def"', 'def'],
    ["DB_PASSWORD: 'a b c'", 'a b c'],
    ['GET /x?a=1&api_key=abcdef&b=2', 'abcdef'],
    ['redis://user:hunter22@host', 'hunter22'],
    [`${'long_'.repeat(50)}token_of_the_cluster = abcdef`, 'abcdef'],
  ])('masks the value in %s', (text, value) => {
    expect(new Redactor([]).text(text)).not.toContain(value);
  });
});

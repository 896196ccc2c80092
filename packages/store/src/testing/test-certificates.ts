/** A CA with a server's and a client's certificate for loopback, made by the `openssl` on PATH, valid for a day. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TlsCredentials } from '../etcd/connections.ts';

const run = promisify(execFile);

export interface TestCertificates {
  /** Paths. */
  readonly server: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly client: TlsCredentials;
  remove(): Promise<void>;
}

export async function makeTestCertificates(): Promise<TestCertificates> {
  const dir = await mkdtemp(join(tmpdir(), 'boi-certs-'));
  const path = (name: string) => join(dir, name);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  const ca = ['-x509', ...ec, '-subj', '/CN=test CA', '-keyout', path('ca.key'), '-out', path('ca.crt')];
  await run('openssl', ['req', ...ca]);
  await writeFile(path('san'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  for (const name of ['server', 'client']) {
    const request = ['-new', ...ec.slice(0, -2), '-subj', `/CN=${name}`];
    await run('openssl', ['req', ...request, '-keyout', path(`${name}.key`), '-out', path(`${name}.csr`)]);
    const signing = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial', '-days', '1'];
    const files = ['-in', path(`${name}.csr`), '-out', path(`${name}.crt`), '-extfile', path('san')];
    await run('openssl', ['x509', '-req', ...signing, ...files]);
  }
  const [caPem, cert, key] = await Promise.all(
    ['ca.crt', 'client.crt', 'client.key'].map((name) => readFile(path(name))),
  );
  return {
    server: { ca: path('ca.crt'), cert: path('server.crt'), key: path('server.key') },
    client: { ca: caPem as Buffer, cert: cert as Buffer, key: key as Buffer },
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** A store that asks for certificates: they are made by openssl, in the shared directory, and everyone is told of them there. */
import { execFile } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SHARED = '/effects/tls';

/** Flags of etcd and of nodes, and the variables of etcdctl. */
export const TLS = {
  etcd: [
    ...['--client-cert-auth', '--trusted-ca-file', `${SHARED}/ca.pem`],
    ...['--cert-file', `${SHARED}/store.pem`, '--key-file', `${SHARED}/store.key`],
  ],
  etcdctl: [
    'ETCDCTL_ENDPOINTS=https://127.0.0.1:2379',
    `ETCDCTL_CACERT=${SHARED}/ca.pem`,
    `ETCDCTL_CERT=${SHARED}/client.pem`,
    `ETCDCTL_KEY=${SHARED}/client.key`,
  ],
  node: {
    'etcd-ca': `${SHARED}/ca.pem`,
    'etcd-cert': `${SHARED}/client.pem`,
    'etcd-key': `${SHARED}/client.key`,
  },
} as const;

/** A CA, the store's certificate and the one that its clients show. */
export async function makeCertificates(dir: string): Promise<void> {
  await mkdir(dir);
  await certificate(dir, 'ca', []);
  const signed = ['-CA', join(dir, 'ca.pem'), '-CAkey', join(dir, 'ca.key')];
  const names = ['etcd-1', 'etcd-2', 'etcd-3', 'localhost'].map((name) => `DNS:${name}`).join(',');
  await certificate(dir, 'store', [...signed, '-addext', `subjectAltName=${names},IP:127.0.0.1`]);
  await certificate(dir, 'client', signed);
}

async function certificate(dir: string, name: string, more: readonly string[]): Promise<void> {
  const [key, pem] = [join(dir, `${name}.key`), join(dir, `${name}.pem`)];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', key, '-out', pem];
  await run('openssl', ['req', '-x509', '-days', '2', '-subj', `/CN=${name}`, ...made, ...more]);
  // Read by the users of the containers.
  await chmod(key, 0o644);
}

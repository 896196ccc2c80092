/**
 * The servers that the benchmark measures against: started here, each in a directory of its own, on a free port of
 * 127.0.0.1, with its writes synced to disk; stopped by process id. Each answers `{ port, command, version, stop }`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How long a server may take to answer its first connection. */
const READY_MS = 30_000;

export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startRedis() {
  const dir = mkdtempSync(join(tmpdir(), 'boi-bench-redis-'));
  const port = await freePort();
  const args = ['--bind', '127.0.0.1', '--port', port, '--dir', dir, '--save', '', '--appendonly', 'yes'];
  args.push('--appendfsync', 'always', '--maxmemory-policy', 'noeviction');
  const version = execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)?.[1];
  return start({ name: 'Redis', version, program: 'redis-server', args, port, dir });
}

export async function startEtcd() {
  const dir = mkdtempSync(join(tmpdir(), 'boi-bench-etcd-'));
  const [port, peerPort] = [await freePort(), await freePort()];
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const args = ['--data-dir', dir, '--listen-client-urls', client, '--advertise-client-urls', client];
  args.push('--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`);
  const version = execFileSync('etcd', ['--version'], { encoding: 'utf8' }).match(/etcd Version: (\S+)/)?.[1];
  const env = { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch === 'arm64' ? 'arm64' : '' };
  return start({ name: 'etcd', version, program: 'etcd', args, port, dir, env });
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package made. */
export async function startPostgres() {
  const bin = postgresBin();
  const base = mkdtempSync(join(tmpdir(), 'boi-bench-postgres-'));
  chmodSync(base, 0o755);
  const dir = join(base, 'data');
  mkdirSync(dir);
  const owner = process.getuid() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  if (owner.uid !== undefined) chownSync(dir, owner.uid, owner.gid);
  const initdb = ['-D', dir, '-U', 'bench', '-A', 'trust', '-E', 'UTF8', '--locale=C'];
  execFileSync(join(bin, 'initdb'), initdb, { ...owner, cwd: '/', stdio: 'ignore' });
  const port = await freePort();
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', max_connections: 200 };
  Object.assign(settings, { fsync: 'on', synchronous_commit: 'on', shared_buffers: '512MB', max_wal_size: '4GB' });
  const args = ['-D', dir, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
  const program = join(bin, 'postgres');
  const version = execFileSync(program, ['--version'], { encoding: 'utf8' }).match(/\) (\S+)/)?.[1];
  // A smart shutdown (TERM) would wait for its clients; INT is PostgreSQL's fast one.
  const server = await start({ name: 'PostgreSQL', version, program, args, port, dir: base, owner, signal: 'SIGINT' });
  return { ...server, url: `postgres://bench@127.0.0.1:${port}/postgres` };
}

function postgresBin() {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const found = versions.map((version) => join(root, version, 'bin')).find((dir) => existsSync(join(dir, 'initdb')));
  if (found === undefined) throw new Error('PostgreSQL was not found; install the package postgresql');
  return found;
}

function idOf(flag) {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
}

async function start({ name, version, program, args, port, dir, owner = {}, env, signal = 'SIGTERM' }) {
  let said = '';
  const child = spawn(program, args.map(String), { ...owner, cwd: '/', env, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data) => {
      said = (said + data).slice(-4_000);
    });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  const until = performance.now() + READY_MS;
  while (!(await answers(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      await stop();
      throw new Error(`${name} did not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const shown = args.map((arg) =>
    arg === ''
      ? "''"
      : String(arg)
          .replace(dir, 'DIR')
          .replaceAll(/(127\.0\.0\.1:|port=|^)\d{4,5}$/g, '$1PORT'),
  );
  return { name, version, port, pid: child.pid, command: [program, ...shown].join(' '), stop };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

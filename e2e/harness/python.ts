/**
 * The image of the nodes with Python and its gRPC. Where images cannot be pulled, nothing can be installed while one is built
 * either: then the packages that the image lacks come from this host, which is the Debian that the image was made of.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { IMAGE } from './cluster.ts';
import { docker } from './engine.ts';
import { derive } from './image.ts';

const PACKAGES = ['python3-grpcio', 'python3-protobuf'];
/** Holds the packages' files and nothing else; kept, as that of etcd is. */
const FILES = 'boi-python';
const APT_BYTES_MAX = 16 * 1024 ** 2;

const run = promisify(execFile);

export async function withPython(): Promise<string> {
  const { stdout: base } = await run(join(import.meta.dirname, '../../docker/base.sh'));
  if (!base.includes('debootstrap')) {
    const install = `apt-get update && apt-get install -y --no-install-recommends ${PACKAGES.join(' ')}`;
    return derive('python', [`FROM ${IMAGE}`, 'USER root', `RUN ${install}`, 'USER boi']);
  }
  const known = await docker.listImages({ filters: { reference: [FILES] } });
  if (known.length === 0) await takeFromHost();
  return derive('python', [`FROM ${IMAGE}`, 'USER root', `COPY --from=${FILES} / /`, 'USER boi']);
}

async function takeFromHost(): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'boi-python-'));
  try {
    const [status, archives, tree] = ['status', 'archives', 'tree'].map((name) => join(scratch, name)) as [
      string,
      string,
      string,
    ];
    await mkdir(join(archives, 'partial'), { recursive: true });
    const { stdout: installed } = await run(
      'docker',
      ['run', '--rm', '--network', 'none', '--entrypoint', 'cat', IMAGE, '/var/lib/dpkg/status'],
      { maxBuffer: APT_BYTES_MAX },
    );
    await writeFile(status, installed);
    const where = [`Dir::State::status=${status}`, `Dir::Cache::archives=${archives}`, 'Debug::NoLocking=1'];
    const options = where.flatMap((option) => ['-o', option]);
    const install = ['install', '--download-only', '--yes', '--no-install-recommends', ...PACKAGES];
    await run('apt-get', [...options, ...install], { maxBuffer: APT_BYTES_MAX });
    for (const file of (await readdir(archives)).filter((name) => name.endsWith('.deb')))
      await run('dpkg', ['-x', join(archives, file), tree]);
    // In the image these are links into /usr, which files must not replace.
    for (const name of ['bin', 'lib', 'lib64', 'sbin'])
      await run('sh', ['-c', `[ ! -d ${name} ] || { cp -a ${name} usr/ && rm -r ${name}; }`], { cwd: tree });
    await writeFile(join(tree, 'Dockerfile'), 'FROM scratch\nCOPY usr /usr\nCOPY etc /etc\n');
    await run('docker', ['build', '--quiet', '--tag', FILES, tree]);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

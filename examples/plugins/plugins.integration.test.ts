/** Plugins that are not of this repository's own language or packages conform like the shipped ones. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { afterAll, beforeAll, expect, test } from 'vitest';

const folder = join(import.meta.dirname, 'hooks-python');
let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'boi-python-'));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

/** Of several Pythons on a host, one that has gRPC: Debian's, for which its packages are. */
function pythonWithGrpc(): string {
  for (const python of ['python3', '/usr/bin/python3']) {
    try {
      execFileSync(python, ['-c', 'import grpc, google.protobuf'], { stdio: 'ignore' });
      return python;
    } catch {
      // The next one.
    }
  }
  throw new Error('no Python with gRPC here: apt-get install python3-grpcio python3-protobuf');
}

test('a plugin in Python, built from the .proto files alone, conforms and has every event once', async () => {
  const build = join(scratch, 'build');
  execFileSync(join(folder, 'build.sh'), [build]);
  const file = join(scratch, 'events');
  const args = [join(folder, 'hooks_python.py'), file];
  const env = { HOOKS_PYTHON_BUILD: build, PYTHONDONTWRITEBYTECODE: '1' };
  const results = await runConformance({ plugin: { kind: 'hooks', command: pythonWithGrpc(), args, env } });
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
  const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
  expect(lines.length).toBeGreaterThan(1_800);
  expect(lines[0]).toMatch(/^1 evt_\w{26} node_joined nod_\w{26}$/);
}, 120_000);

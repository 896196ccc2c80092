/**
 * A host on which nothing was ever installed but Node, etcd, a compiler and the packages of this checkout as they would be
 * published: the commands of README, as they stand there.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFailed, test } from 'vitest';
import { stepsOf } from '../../docs/test/blocks.ts';
import { Container } from '../harness/container.ts';
import { docker, LABEL, removeAll } from '../harness/engine.ts';
import { derive, removeImage } from '../harness/image.ts';
import type { NodeView } from '../harness/spec.ts';
import { until } from '../harness/until.ts';

const ROOT = dirname(dirname(import.meta.dirname));
const HOME = '/opt/boi-node';
const CLUSTER = 'fresh';
const OUTPUT = '/tmp/quickstart.log';
const WITHIN_MS = 150_000;

let image: string | undefined;
let host: Container;

beforeAll(async () => {
  const base = execFileSync(join(ROOT, 'docker/base.sh'), { encoding: 'utf8' }).trim();
  image = await derive('fresh', [
    `FROM ${base}`,
    'RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev',
    'COPY --from=boi-etcd /usr/local/bin/etcd /usr/local/bin/etcd',
    `COPY --from=boi-node ${HOME} ${HOME}`,
    `WORKDIR ${HOME}`,
  ]);
  const created = await docker.createContainer({
    Image: image,
    Cmd: ['tini', '--', 'sleep', 'infinity'],
    Labels: { [LABEL]: CLUSTER },
    HostConfig: { Binds: [`${join(ROOT, 'examples')}:${HOME}/examples:ro`] },
  });
  host = new Container('fresh', created, 'bridge');
  await host.start();
}, 400_000);

afterAll(async () => {
  await removeAll(CLUSTER);
  if (image !== undefined) await removeImage(image);
});

test(
  'fresh_install: the quickstart of README builds its cluster and runs its example, in one shell that ends at the first failure',
  async () => {
    const said = async () => (await host.exec(['cat', OUTPUT])).stdout;
    onTestFailed(async () => {
      process.stderr.write((await said()).slice(-8_000));
    });
    // `make build` made the packages that are here.
    const steps = stepsOf(readFileSync(join(ROOT, 'README.md'), 'utf8')).filter(({ covered }) => !covered);
    // The last step ends what the others began, which is looked at here.
    expect(steps.at(-1)?.commands).toMatch(/^kill /);
    const script = steps
      .slice(0, -1)
      .map(({ commands }) => commands)
      .join('\n');
    expect(script).toContain('cluster fsck');
    await host.exec(['sh', '-c', 'cat > /tmp/quickstart'], { stdin: script });
    // What it leaves running would hold the output open.
    const command = `bash -e /tmp/quickstart >${OUTPUT} 2>&1 </dev/null`;
    const { code } = await host.exec(['sh', '-c', command], { withinMs: WITHIN_MS });
    expect(code, await said()).toBe(0);
    const boi = async (...args: string[]) => (await host.exec([`${HOME}/node_modules/.bin/boi-node`, ...args])).stdout;
    await until('three nodes are ready', async () => {
      const nodes = JSON.parse(await boi('node', 'list', '-o', 'json')) as NodeView[];
      const ready = nodes.filter(({ state }) => state === 'ready').map(({ name }) => name);
      return ready.toSorted().join(' ') === 'node-1 node-2 node-3';
    });
    const { stdout: report } = await host.exec(['cat', '/tmp/boi/c-build/report.txt']);
    expect(report.match(/ 0 failed$/gm)).toHaveLength(12);
    expect(JSON.parse(await boi('cluster', 'fsck', '-o', 'json'))).toMatchObject({ clean: true, findings: [] });
  },
  WITHIN_MS + 60_000,
);

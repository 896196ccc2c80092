/**
 * Plants each thing the lint rules of this repository forbid (import directions, time and chance, test hooks) in a copy
 * of nothing but the configuration, and its allowed neighbour beside it; one run of the linter tells them apart.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

interface Plant {
  readonly file: string;
  readonly code: string;
  /** The rule that must object; absent: nothing may be said. */
  readonly refused?: string;
}

const DIRECTION = 'lint/style/noRestrictedImports';
const GLOBALS = 'lint/style/noRestrictedGlobals';
/** The rules of `.ci/lint`. */
const OURS = 'plugin';
const use = (from: string) => `import { x } from '${from}';\nexport const y = x;\n`;
const lazily = (from: string) => `export const y = await import('${from}');\n`;

const PLANTS: readonly Plant[] = [
  ...(
    [
      ['core', ['system', 'store', 'cluster', 'worker', 'client', 'node', 'cli'], []],
      ['system', ['store', 'cluster', 'worker', 'client', 'node', 'cli'], ['core']],
      ['identity', ['store', 'cluster', 'worker', 'client', 'node', 'cli'], ['core', 'system']],
      ['proto', ['system', 'store', 'plugin-sdk', 'plugin-host', 'node'], ['core']],
      ['plugin-sdk', ['system', 'store', 'cluster', 'plugin-host', 'node'], ['core', 'proto']],
      ['plugin-host', ['store', 'cluster', 'worker', 'node'], ['core', 'system', 'proto']],
      ['store', ['cluster', 'worker', 'client', 'node', 'cli'], ['core']],
      ['cluster', ['identity', 'worker', 'client', 'node', 'cli'], ['core', 'store']],
      ['worker', ['store', 'cluster', 'client', 'node', 'cli'], ['core', 'system']],
      ['client', ['system', 'store', 'cluster', 'worker', 'node', 'cli'], ['core']],
      ['simulator', ['worker', 'client', 'node', 'cli'], ['core', 'store', 'cluster', 'core/testing']],
      ['node', ['cli'], ['core', 'system', 'identity', 'store', 'cluster', 'plugin-host', 'worker', 'client']],
      ['cli', ['store', 'cluster', 'worker', 'node'], ['core', 'system', 'client']],
    ] as const
  ).flatMap(([from, refused, allowed]) => [
    ...refused.map((to) => ({
      file: `packages/${from}/src/to-${to}.ts`,
      code: use(`@boi/${to}`),
      refused: DIRECTION,
    })),
    ...allowed.map((to) => ({ file: `packages/${from}/src/to-${to.replace('/', '-')}.ts`, code: use(`@boi/${to}`) })),
  ]),
  { file: 'plugins/some/src/store.ts', code: use('@boi/store'), refused: DIRECTION },
  { file: 'plugins/some/src/core.ts', code: use('@boi/core'), refused: DIRECTION },
  { file: 'plugins/some/src/sdk.ts', code: use('@boi/plugin-sdk') },
  { file: 'plugins/some/src/docker.ts', code: use('@boi/docker-engine') },
  { file: 'packages/docker-engine/src/host.ts', code: use('@boi/plugin-host'), refused: DIRECTION },
  { file: 'packages/cluster/src/lazy.ts', code: lazily('@boi/node'), refused: DIRECTION },
  { file: 'packages/cluster/src/passed-on.ts', code: "export * from '@boi/node';\n", refused: DIRECTION },
  { file: 'packages/cluster/src/upward.test.ts', code: use('@boi/node'), refused: DIRECTION },
  { file: 'packages/cli/src/commands/node.ts', code: lazily('@boi/node'), refused: DIRECTION },
  { file: 'packages/cli/src/table/settings.ts', code: use('@boi/node/config') },
  { file: 'packages/cli/src/commands/dev.ts', code: lazily('@boi/node') },
  { file: 'packages/cli/src/commands/join.ts', code: lazily('@boi/node') },
  { file: 'packages/cli/src/commands/dev-store.ts', code: lazily('@boi/store'), refused: DIRECTION },

  { file: 'packages/cluster/src/etcd.ts', code: use('etcd3'), refused: DIRECTION },
  { file: 'packages/node/src/etcd.ts', code: use('etcd3/lib/rpc'), refused: DIRECTION },
  { file: 'packages/cluster/src/grpc.ts', code: use('@grpc/grpc-js'), refused: DIRECTION },
  { file: 'packages/store/src/etcd.ts', code: use('etcd3') },

  ...['core', 'store', 'cluster'].flatMap((name): Plant[] => [
    { file: `packages/${name}/src/now.ts`, code: 'export const y = Date.now();\n', refused: GLOBALS },
    { file: `packages/${name}/src/new-date.ts`, code: 'export const y = new Date();\n', refused: GLOBALS },
    { file: `packages/${name}/src/timeout.ts`, code: 'setTimeout(() => undefined, 1);\n', refused: GLOBALS },
    { file: `packages/${name}/src/alias.ts`, code: 'export const later = setTimeout;\n', refused: GLOBALS },
    { file: `packages/${name}/src/interval.ts`, code: 'setInterval(() => undefined, 1);\n', refused: GLOBALS },
    { file: `packages/${name}/src/immediate.ts`, code: 'setImmediate(() => undefined);\n', refused: GLOBALS },
    { file: `packages/${name}/src/performance.ts`, code: 'export const y = performance.now();\n', refused: GLOBALS },
    { file: `packages/${name}/src/timers.ts`, code: use('node:timers/promises'), refused: OURS },
    { file: `packages/${name}/src/hooks.ts`, code: use('node:perf_hooks'), refused: OURS },
    { file: `packages/${name}/src/random.ts`, code: 'export const y = Math.random();\n', refused: OURS },
    { file: `packages/${name}/src/uuid.ts`, code: 'export const y = crypto.randomUUID();\n', refused: GLOBALS },
    {
      file: `packages/${name}/src/bytes.ts`,
      code: "import { createHash, randomBytes } from 'node:crypto';\nexport const y = [createHash, randomBytes];\n",
      refused: OURS,
    },
    {
      file: `packages/${name}/src/whole.ts`,
      code: "import * as all from 'node:crypto';\nexport const y = all;\n",
      refused: OURS,
    },
    {
      file: `packages/${name}/src/default.ts`,
      code: "import all from 'node:crypto';\nexport const y = all;\n",
      refused: OURS,
    },
    {
      file: `packages/${name}/src/hash.ts`,
      code: "import { createHash } from 'node:crypto';\nexport const y = createHash('sha256');\n",
    },
    { file: `packages/${name}/src/now.test.ts`, code: 'export const y = Date.now();\n' },
    { file: `packages/${name}/src/testing/now.ts`, code: 'export const y = Date.now() + Math.random();\n' },
  ]),
  { file: 'packages/worker/src/now.ts', code: 'export const y = Date.now() + Math.random();\n' },

  { file: 'packages/cluster/src/hook.ts', code: use('@boi/core/testing'), refused: OURS },
  { file: 'packages/core/src/own-hook.ts', code: use('./testing/index.ts'), refused: OURS },
  { file: 'packages/core/src/spec/own-hook.ts', code: use('../testing/clock.ts'), refused: OURS },
  { file: 'packages/cluster/src/hook.test.ts', code: use('@boi/core/testing') },
  { file: 'packages/cluster/src/testing/hook.ts', code: use('@boi/store/testing') },
];

const root = join(import.meta.dirname, '../..');
let copy: string;
let said: Map<string, string[]>;

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'boi-lint-'));
  await cp(join(root, 'biome.json'), join(copy, 'biome.json'));
  await cp(join(root, '.gitignore'), join(copy, '.gitignore'));
  await cp(join(root, '.ci/lint'), join(copy, '.ci/lint'), { recursive: true });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const { file, code } of PLANTS) {
    await mkdir(join(copy, dirname(file)), { recursive: true });
    await writeFile(join(copy, file), code);
  }
  said = await lint(copy);
});

afterAll(() => rm(copy, { recursive: true, force: true }));

describe('the lint rules', () => {
  test.each(PLANTS.filter(({ refused }) => refused !== undefined))('refuse $file', ({ file, code, refused }) => {
    expect(said.get(file) ?? [], code).toContain(refused);
  });

  test.each(PLANTS.filter(({ refused }) => refused === undefined))('allow $file', ({ file, code }) => {
    expect(said.get(file) ?? [], code).toEqual([]);
  });
});

/** The rules that object, by file. */
async function lint(cwd: string): Promise<Map<string, string[]>> {
  const run = promisify(execFile);
  const args = ['lint', '--reporter=json', '--max-diagnostics=none', 'packages', 'plugins'];
  const failed = await run(join(root, 'node_modules/.bin/biome'), args, { cwd, maxBuffer: 64 * 1024 * 1024 }).catch(
    (error: { stdout: string }) => error,
  );
  const report = JSON.parse(failed.stdout) as {
    diagnostics: { category: string; location: { path: string | { file: string } } }[];
  };
  const byFile = new Map<string, string[]>();
  for (const { category, location } of report.diagnostics) {
    const path = typeof location.path === 'string' ? location.path : location.path.file;
    const file = path.startsWith('/') ? relative(cwd, path) : path;
    byFile.set(file, [...(byFile.get(file) ?? []), category]);
  }
  return byFile;
}

import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Tests run from the TypeScript sources: the `@boi/source` condition of every package's exports map.
const recorder = join(import.meta.dirname, '.ci/problems/record.ts');
const source = {
  resolve: { conditions: ['@boi/source', 'node', 'import', 'module', 'default'] },
  ssr: { resolve: { conditions: ['@boi/source', 'node', 'import', 'module', 'default'] } },
};

// How long `expect.poll` waits: a busy machine takes longer than vitest's second for what is sure to come.
const expect = { poll: { timeout: 20_000 } };

export default defineConfig({
  ...source,
  test: {
    projects: [
      {
        ...source,
        test: {
          name: 'unit',
          maxWorkers: '100%',
          setupFiles: [recorder],
          expect,
          include: ['packages/*/src/**/*.test.ts', 'plugins/*/src/**/*.test.ts'],
          exclude: ['**/*.integration.test.ts', '**/node_modules/**', '**/dist/**'],
          testTimeout: 30_000,
        },
      },
      {
        ...source,
        test: {
          // About the repository itself: lint rules, examples, documentation, the benchmark's arithmetic.
          name: 'repository',
          maxWorkers: '100%',
          setupFiles: [recorder],
          expect,
          include: ['.ci/**/*.test.ts', 'examples/**/*.test.ts', 'docs/test/**/*.test.ts', 'bench/**/*.test.mjs'],
          exclude: ['**/*.integration.test.ts', '**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          // Real etcd, real processes: needs etcd on PATH. Two files at a time, after the others: they wait more than they work,
          // but each brings servers of its own, and more of them would starve each other.
          name: 'integration',
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          setupFiles: [recorder],
          expect,
          include: [
            'packages/*/src/**/*.integration.test.ts',
            'plugins/*/src/**/*.integration.test.ts',
            'packages/*/test/**/*.integration.test.ts',
            'examples/**/*.integration.test.ts',
            'docs/test/**/*.integration.test.ts',
          ],
          exclude: ['**/node_modules/**', '**/dist/**', '**/volume.integration.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          // What measures memory, which grows when the collector has no time: nothing beside it.
          name: 'volume',
          sequence: { groupOrder: 2 },
          maxWorkers: 1,
          setupFiles: [recorder],
          expect,
          include: ['packages/cli/test/volume.integration.test.ts'],
        },
      },
    ],
  },
});

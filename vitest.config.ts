import { defineConfig } from 'vitest/config';

// Tests run from the TypeScript sources: the `@boi/source` condition of every package's exports map.
const source = {
  resolve: { conditions: ['@boi/source', 'node', 'import', 'module', 'default'] },
  ssr: { resolve: { conditions: ['@boi/source', 'node', 'import', 'module', 'default'] } },
};

export default defineConfig({
  ...source,
  test: {
    projects: [
      {
        ...source,
        test: {
          name: 'unit',
          include: ['packages/*/src/**/*.test.ts', 'plugins/*/src/**/*.test.ts'],
          exclude: ['**/*.integration.test.ts', '**/node_modules/**', '**/dist/**'],
        },
      },
      {
        ...source,
        test: {
          // About the repository itself: lint rules, examples, documentation.
          name: 'repository',
          include: ['.ci/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: ['**/*.integration.test.ts', '**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          // Real etcd, real processes: needs etcd on PATH. One file at a time, so that servers do not starve each other.
          name: 'integration',
          include: [
            'packages/*/src/**/*.integration.test.ts',
            'packages/*/test/**/*.integration.test.ts',
            'examples/**/*.integration.test.ts',
          ],
          exclude: ['**/node_modules/**', '**/dist/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});

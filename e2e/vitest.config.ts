import { defineConfig } from 'vitest/config';

// Two files at once: most of a test is waiting for leases to end, and a cluster of three nodes idles at a tenth of a core.
export default defineConfig({
  test: {
    name: 'containers',
    include: [process.env.BOI_E2E === 'all' ? 'tests/**/*.e2e.test.ts' : 'tests/*.e2e.test.ts'],
    globalSetup: ['harness/sweep.ts'],
    testTimeout: 240_000,
    hookTimeout: 400_000,
    maxWorkers: 2,
  },
});

import { defineConfig } from 'vitest/config';

// One file after the other: what runs in the containers of one test is all that two cores carry.
export default defineConfig({
  test: {
    name: 'containers',
    include: [process.env.BOI_E2E === 'all' ? 'tests/**/*.e2e.test.ts' : 'tests/*.e2e.test.ts'],
    globalSetup: ['harness/sweep.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    fileParallelism: false,
  },
});

import { defineConfig } from 'vitest/config';

// `npm test` runs the suites that need npm only; `npm run test:all` adds those under test/real and
// test/deploy, which start real parts (MiniStack, DynamoDB Local) and are never skipped there.
const real = process.env.COUNTERSIGN_TEST_ALL === '1';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: real ? [] : ['test/real/**', 'test/deploy/**'],
    // Most of the time goes into waiting for servers and child processes: both cores of a small machine.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 300_000,
  },
});

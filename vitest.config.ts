import { defineConfig } from 'vitest/config';

// `npm test` runs the suites that need npm only; `npm run test:all` adds those under test/real and
// test/deploy, which start real parts (MiniStack, DynamoDB Local), and test/package, which builds and
// installs the packages; none is ever skipped there.
const real = process.env.COUNTERSIGN_TEST_ALL === '1';
const left = real ? [] : ['test/real/**', 'test/deploy/**', 'test/package/**'];

/** They change the environment, modules or streams of their process, so each has one of its own. */
const alone = [
  'test/lambda/request/equal-work.test.ts',
  'test/lambda/log.test.ts',
  'test/lambda/vault/vault.test.ts',
  'test/lib/functions/bundles.test.ts',
  'test/lib/policy/policy.test.ts',
  'test/platform/rotate-bundle.test.ts',
  'test/platform/rotation-faults.test.ts',
  'test/sdk/identity.test.ts',
  'test/{real,deploy,package}/**/*.test.ts',
];

export default defineConfig({
  test: {
    // Most of the time goes into waiting for servers and child processes: both cores of a small machine.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 300_000,
    projects: [
      {
        extends: true,
        // The AWS SDK and the CDK take longer to load than most files to run: once a process.
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...alone, ...left],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: alone, exclude: left } },
    ],
  },
});

import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll } from 'vitest';
import { type Ministack, startMinistack } from '../../local/real/ministack.ts';
import { secretsManagerContract } from '../contract/secrets-manager.ts';

let ministack: Ministack;
beforeAll(async () => {
  ministack = await startMinistack();
});
afterAll(() => ministack?.stop());

const client = (region: string) =>
  new SecretsManagerClient({
    endpoint: ministack.endpoint,
    region,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  });

// It silently gives one token another value, and leaves AWSPENDING on two versions.
secretsManagerContract({
  name: 'MiniStack',
  home: () => client('eu-west-1'),
  away: () => client('eu-central-1'),
  replicateTo: 'eu-central-1',
  promotes: false,
  exact: false,
});

import { sdkDynamodb, sdkSecrets } from '../adapters/aws-sdk.ts';
import { PUBLIC_ONLY } from '../callbacks/guard.ts';
import { deliver } from './compose/deliver.ts';
import { aws, runtime } from './process.ts';
import { wake } from './wake.ts';

export const handler = deliver(
  { ...runtime, dynamodb: sdkDynamodb(aws), secrets: sdkSecrets(aws) },
  { guard: PUBLIC_ONLY, wake },
);

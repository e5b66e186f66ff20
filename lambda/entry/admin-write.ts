import { sdkDynamodb, sdkSecrets } from '../adapters/aws-sdk.ts';
import { PUBLIC_ONLY, systemResolve } from '../callbacks/guard.ts';
import { adminWrite } from './compose/serving.ts';
import { aws, runtime } from './process.ts';
import { wake } from './wake.ts';

export const handler = adminWrite(
  { ...runtime, dynamodb: sdkDynamodb(aws), secrets: sdkSecrets(aws) },
  { guard: PUBLIC_ONLY, resolve: systemResolve, wake },
);

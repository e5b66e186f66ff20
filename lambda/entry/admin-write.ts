import { sdkDynamodb, sdkSecrets } from '../adapters/aws-sdk.ts';
import { adminWrite } from './compose/serving.ts';
import { aws, runtime } from './process.ts';

export const handler = adminWrite({ ...runtime, dynamodb: sdkDynamodb(aws), secrets: sdkSecrets(aws) });

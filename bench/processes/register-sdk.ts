/** The register function with the AWS SDK's clients, which reads nothing before its first request. */
import * as schema from 'countersign:registration-schema';
import { sdkDynamodb, sdkSecrets } from '../../lambda/adapters/aws-sdk.ts';
import { register } from '../../lambda/entry/compose/serving.ts';
import { aws, runtime } from '../../lambda/entry/process.ts';

export const handler = register({ ...runtime, dynamodb: sdkDynamodb(aws), secrets: sdkSecrets(aws) }, schema);

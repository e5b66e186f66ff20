import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { tokenGate } from './compose/oauth.ts';
import { registration } from './compose/serving.ts';
import { atStart, aws, runtime, started } from './process.ts';

const parts = { ...runtime, atStart, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) };

export const handler = registration(parts, tokenGate(parts));

await started();

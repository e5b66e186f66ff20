import * as schema from 'countersign:registration-schema';
import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { tokenGate } from './compose/oauth.ts';
import { register } from './compose/serving.ts';
import { atStart, aws, runtime, started } from './process.ts';

const parts = { ...runtime, atStart, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) };

export const handler = register(parts, schema, tokenGate(parts));

await started();

import { dynamodbClient, secretsClient } from '../adapters/aws.ts';
import { enrolledGate } from './compose/oauth.ts';
import { events } from './compose/serving.ts';
import { atStart, aws, runtime, started } from './process.ts';

const parts = { ...runtime, atStart, dynamodb: dynamodbClient(aws), secrets: secretsClient(aws) };

export const handler = events(parts, enrolledGate(parts));

await started();

import { secretsClient } from '../adapters/aws.ts';
import { jwks } from '../functions.ts';
import { aws, runtime } from './process.ts';

export const handler = jwks({ ...runtime, secrets: secretsClient(aws) });

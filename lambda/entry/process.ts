/** What an entry takes from the process it runs in, which is Lambda's. */
import { Logger } from '@aws-lambda-powertools/logger';
import type { AwsOptions } from '../adapters/aws.ts';
import type { Environment } from '../contract/environment.ts';
import type { Log } from '../log.ts';
import type { Runtime } from '../runtime.ts';

const logger = new Logger({ serviceName: 'countersign' });

const log: Log = ({ level, message, ...fields }) => {
  if (level === 'ERROR') logger.error(message, fields);
  else if (level === 'WARN') logger.warn(message, fields);
  else logger.info(message, fields);
};

export const runtime: Runtime = { env: process.env as Environment, log, nowMs: Date.now };

/** Lambda keeps the role's credentials in the environment: no chain of providers to load and to ask. */
export const aws: AwsOptions = {
  region: process.env.AWS_REGION ?? '',
  credentials: {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? '',
    ...(process.env.AWS_SESSION_TOKEN && { sessionToken: process.env.AWS_SESSION_TOKEN }),
  },
};

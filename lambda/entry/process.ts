/** The process of an entry: Lambda's environment, log and clock. */
import { Logger } from '@aws-lambda-powertools/logger';
import type { AwsOptions } from '../adapters/aws.ts';
import type { Environment } from '../contract/environment.ts';
import { allowedFields, type Log } from '../log.ts';
import type { AtStart, Runtime } from './compose/parts.ts';

const logger = new Logger({ serviceName: 'countersign' });

const log: Log = (entry) => {
  const fields = allowedFields(entry);
  if (entry.level === 'ERROR') logger.error(entry.message, fields);
  else if (entry.level === 'WARN') logger.warn(entry.message, fields);
  else logger.info(entry.message, fields);
};

export const runtime: Runtime = { env: process.env as Environment, log, nowMs: Date.now };

const reads: Promise<unknown>[] = [];

/** Reads what the first request needs while the function initialises, all at once. */
export const atStart: AtStart = (read) => {
  reads.push(read());
};

/**
 * Lambda may freeze a function after its initialisation, and a connection that waits for an answer would
 * break. A read that fails is logged, and the first request that needs it tries again.
 */
export const started = (): Promise<unknown> => Promise.allSettled(reads);

/** Lambda keeps the role's credentials in the environment, so no chain of providers is loaded. */
export const aws: AwsOptions = {
  region: process.env.AWS_REGION ?? '',
  credentials: {
    accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? '',
    secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? '',
    ...(process.env.AWS_SESSION_TOKEN && { sessionToken: process.env.AWS_SESSION_TOKEN }),
  },
};

/** Patterns of metric filters, over the fields that a log line has. */
import { FilterPattern, type JsonPattern } from 'aws-cdk-lib/aws-logs';
import type { LogEntry } from '../../lambda/contract/log-entry.ts';

/** Lines that have this value. */
export const linesWith = <F extends keyof LogEntry>(
  field: F,
  value: Extract<LogEntry[F], string>,
): JsonPattern => FilterPattern.stringValue(`$.${field}`, '=', value);

/** Lines that have the field, with any value. */
export const linesThatHave = (field: keyof LogEntry): JsonPattern => FilterPattern.exists(`$.${field}`);

/** Durations of the config: ISO 8601, days to seconds, since a month or a year has no fixed length. */
import { Duration } from 'aws-cdk-lib';
import { z } from 'zod';

/** @returns the duration as the config writes it, e.g. `PT5M` */
export const isoDuration = (ms: number): string => Duration.millis(ms).toIsoString();

const DAYS_TO_SECONDS = /^P(?=\d|T\d)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?$/;

/** @returns a schema that reads e.g. `PT5M`, which must be positive, into a `Duration` */
export const duration = () =>
  z
    .string()
    .regex(DAYS_TO_SECONDS, 'must be an ISO 8601 duration in days, hours, minutes and seconds')
    .transform((text) => Duration.parse(text))
    .refine((read) => read.toMilliseconds() > 0, 'must be positive');

/** Forms that several settings have. */
import { z } from 'zod';
import { AWS_REGION } from '../../lambda/contract/forms.ts';

export const url = () =>
  z
    .string()
    .regex(
      /^(https:\/\/[^\s/?#@]+|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?)(\/[^\s/?#]+)*$/,
      'must be an https URL (http on loopback only) without a trailing "/", query or fragment',
    );

export const baseUrl = () =>
  url().refine((text) => !`${text}/`.includes('/v1/'), 'must not contain /v1, which the routes begin with');

/** At most 15 characters: it is part of every nonce. */
export const regionName = () =>
  z
    .string()
    .max(15, 'must have at most 15 characters: it is part of every nonce')
    .regex(AWS_REGION, 'must be the name of an AWS Region')
    .meta({ examples: ['eu-west-1'] });

/** @param resource what follows the account, as the source of a regular expression */
export const arn = (service: string, resource: string, example: string) =>
  z
    .string()
    .regex(
      new RegExp(`^arn:aws:${service}:[a-z0-9-]+:\\d{12}:${resource}$`),
      `must be an ARN like ${example}`,
    )
    .meta({ examples: [example] });

/** @param example also what an error shows */
export const count = (example: number, min = 1) =>
  z
    .int('must be a whole number')
    .min(min, `must be ${min} or more`)
    .meta({ examples: [example] });

/** Settings of the stage, of each Region and of the names that lead to them. */
import { z } from 'zod';
import { DEFAULTS } from '../../lambda/contract/defaults.ts';
import { STAGE_NAME } from '../../lambda/contract/forms.ts';
import { duration, isoDuration } from './duration.ts';
import { arn, baseUrl, count, regionName } from './forms.ts';
import { VPC_EXAMPLES, vpc } from './vault.ts';

export const stage = z.strictObject({
  name: z
    .string()
    .regex(STAGE_NAME, 'must be 1 to 16 of a-z, 0-9 and -, and begin with a letter')
    .meta({ examples: ['dev'] }),
  kind: z.enum(['dev', 'prod']).meta({ examples: ['dev'] }),
});

const kmsKeyArn = () =>
  arn(
    'kms',
    'key/(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})',
    'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  );

export const region = z.strictObject({
  name: regionName(),
  baseUrl: baseUrl()
    .optional()
    .meta({ examples: ['https://eu.api.example.com'] }),
  ledgerGeneration: count(1).default(1),
  kmsKeyArn: kmsKeyArn().optional(),
  previousKmsKeyArn: kmsKeyArn().optional(),
  certificateArn: arn(
    'acm',
    'certificate/[\\w-]+',
    'arn:aws:acm:eu-west-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab',
  ).optional(),
  alarmTopicArn: arn('sns', '[\\w-]+', 'arn:aws:sns:eu-west-1:123456789012:alarms').optional(),
  vaultNetwork: vpc.optional().meta({ examples: VPC_EXAMPLES }),
});

export const domain = z.strictObject({
  entry: z.hostname('must be a host name').meta({ examples: ['api.example.com'] }),
  hostedZone: z
    .strictObject({
      id: z
        .string()
        .regex(/^Z[A-Z0-9]{5,31}$/, 'must be the id of a hosted zone')
        .meta({ examples: ['Z0123456789ABCDEFGHIJ'] }),
      name: z.hostname('must be a host name').meta({ examples: ['example.com'] }),
    })
    .optional()
    .meta({ examples: [{ id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' }] }),
});

/** Where Route 53 has health checkers. */
const CHECKERS = [
  'us-east-1',
  'us-west-1',
  'us-west-2',
  'eu-west-1',
  'ap-southeast-1',
  'ap-southeast-2',
  'ap-northeast-1',
  'sa-east-1',
] as const;

export const healthChecks = z.strictObject({
  interval: duration()
    .refine((read) => [10, 30].includes(read.toSeconds()), 'must be 10 or 30 seconds')
    .prefault('PT30S')
    .meta({ examples: ['PT30S'] }),
  checkerRegions: z
    .array(z.enum(CHECKERS))
    .min(3, 'must name at least three Regions')
    .default(['us-east-1', 'eu-west-1', 'ap-southeast-1'])
    .meta({ examples: [['us-east-1', 'eu-west-1', 'ap-southeast-1']] }),
  /**
   * A Region that was unhealthy stays so until it has been good for this long: 1 minute to 1 hour. Default
   * `PT3M`.
   */
  holdDown: duration()
    .refine((read) => read.toSeconds() >= 60 && read.toSeconds() <= 3600, 'must be 1 minute to 1 hour')
    .prefault(isoDuration(DEFAULTS.holdDownMs))
    .meta({ examples: ['PT3M'] }),
});

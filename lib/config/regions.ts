/** Settings of the stage, of each Region and of the names that lead to them. */
import { z } from 'zod';
import { DEFAULTS } from '../../lambda/contract/defaults.ts';
import { duration, isoDuration } from './duration.ts';
import { arn, baseUrl, count, regionName } from './forms.ts';
import { VPC_EXAMPLES, vpc } from './keys.ts';

export const stage = z.strictObject({
  /** Part of every name, `countersign-<name>-…`: 1 to 16 of a-z, 0-9 and -. Frozen after the first deploy. */
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,15}$/, 'must be 1 to 16 of a-z, 0-9 and -, and begin with a letter')
    .meta({ examples: ['dev'] }),
  /**
   * `dev`: one Region, no domain, about 2 USD a month at rest, and `cdk destroy` removes everything, data and
   * keys included. `prod`: tables and secrets are protected and stay.
   */
  kind: z.enum(['dev', 'prod']).meta({ examples: ['dev'] }),
});

const keyArn = () =>
  arn(
    'kms',
    'key/(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})',
    'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab',
  );

export const region = z.strictObject({
  /** The AWS Region, at most 15 characters: it is part of every nonce. */
  name: regionName(),
  /**
   * Where clients reach this Region, if not at its `execute-api` URL (or its own domain, with `domain`): what
   * every proof names.
   */
  baseUrl: baseUrl()
    .optional()
    .meta({ examples: ['https://eu.api.example.com'] }),
  /**
   * Raised by one when the ledger was lost: the new one has another name, and no nonce issued for the old one
   * is valid any more. A whole number; default 1.
   */
  ledgerGeneration: count(1).default(1),
  /** Customer key that encrypts this Region's tables and secrets. `prod` only; default: the stage makes one. */
  kmsKeyArn: keyArn().optional(),
  /**
   * The key that did so before, while a live stage goes over to another one (docs/upgrade.md): roles may use both.
   * Default: none.
   */
  previousKmsKeyArn: keyArn().optional(),
  /** Certificate of the entry's and this Region's domain. Default: issued, and validated in the hosted zone. */
  certificateArn: arn(
    'acm',
    'certificate/[\\w-]+',
    'arn:aws:acm:eu-west-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab',
  ).optional(),
  /** SNS topic that this Region's alarms notify. Default: `prod` makes one without subscribers, `dev` none. */
  alarmTopicArn: arn('sns', '[\\w-]+', 'arn:aws:sns:eu-west-1:123456789012:alarms').optional(),
  /** VPC of this Region that its rotation functions get to Vault from. Default: `vault.network`. */
  vaultNetwork: vpc.optional().meta({ examples: VPC_EXAMPLES }),
});

export const domain = z.strictObject({
  /** Host name of the entry, which leads to the nearest healthy Region; each Region gets `<region>.<entry>`. */
  entry: z.hostname('must be a host name').meta({ examples: ['api.example.com'] }),
  /**
   * The public Route 53 hosted zone, in the same account, that the names lie in. Default: none; the stacks then
   * print the records for you to make, and every Region needs a `certificateArn`.
   */
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

/** Of the Regions' health, by which DNS decides. More and faster checkers cost more. */
export const healthChecks = z.strictObject({
  /** From one request of a checker to its next: `PT10S` or `PT30S`. Default `PT30S`. */
  interval: duration()
    .refine((read) => [10, 30].includes(read.toSeconds()), 'must be 10 or 30 seconds')
    .prefault('PT30S')
    .meta({ examples: ['PT30S'] }),
  /** Where they ask from: at least three. Default `us-east-1`, `eu-west-1` and `ap-southeast-1`. */
  checkerRegions: z
    .array(z.enum(CHECKERS))
    .min(3, 'must name at least three Regions')
    .default(['us-east-1', 'eu-west-1', 'ap-southeast-1'])
    .meta({ examples: [['us-east-1', 'eu-west-1', 'ap-southeast-1']] }),
  /** A Region that was unhealthy stays so until it has been good for this long: 1 minute to 1 hour. Default `PT3M`. */
  holdDown: duration()
    .refine((read) => read.toSeconds() >= 60 && read.toSeconds() <= 3600, 'must be 1 minute to 1 hour')
    .prefault(isoDuration(DEFAULTS.holdDownMs))
    .meta({ examples: ['PT3M'] }),
});

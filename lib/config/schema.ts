/**
 * The config, as it is checked: the form of every setting, and its default. input.ts says what each means.
 * `examples` are what an error shows. Unknown settings are refused.
 */
import { Duration } from 'aws-cdk-lib';
import { z } from 'zod';
import { DEFAULTS, LONGEST_CLOCK_ERROR_MS } from '../../lambda/contract/defaults.ts';
import { LONGEST_NONCE_LIFE_MS } from '../../protocol/nonce.ts';
import { duration, isoDuration } from './duration.ts';
import { enrolment } from './enrolment.ts';
import { arn, count, regionName, url } from './forms.ts';
import { tables } from './generations.ts';
import { keys } from './keys.ts';
import { oauth } from './oauth.ts';
import { domain, healthChecks, region, stage } from './regions.ts';
import { throttles, waf } from './traffic.ts';
import { vault } from './vault.ts';

/** The retention times of CloudWatch Logs, in days, up to ten years. */
const LOG_RETENTION = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

export const configSchema = z.strictObject({
  stage: stage.meta({ examples: [{ name: 'dev', kind: 'dev' }] }),
  account: z
    .string('must be a string, since it may begin with 0')
    .regex(/^\d{12}$/, 'must be 12 digits')
    .optional()
    .meta({ examples: ['123456789012'] }),
  regions: z
    .array(region)
    .min(1, 'must name at least one Region')
    // An alarm takes ten metrics, and a role's policy as many Regions.
    .max(10, 'must name at most ten Regions')
    .meta({ examples: [[{ name: 'eu-west-1' }]] }),
  homeRegion: regionName().optional(),
  witnessRegion: regionName()
    .optional()
    .meta({ examples: ['eu-west-3'] }),
  domain: domain.optional().meta({
    examples: [
      { entry: 'api.example.com', hostedZone: { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' } },
    ],
  }),
  issuer: url()
    .optional()
    .meta({ examples: ['https://api.example.com'] }),
  oauth: oauth.optional().meta({ examples: [{ tokenLife: 'PT10M' }] }),
  enrolment,
  consistency: z
    .enum(['strong', 'eventual'])
    .optional()
    .meta({ examples: ['strong'] }),
  tables: tables.prefault({}).meta({ examples: [{ generation: 2 }] }),
  nonceLife: duration()
    .refine(
      (life) => life.toSeconds() >= 10 && life.toMilliseconds() <= LONGEST_NONCE_LIFE_MS,
      `must be 10 seconds to ${Duration.millis(LONGEST_NONCE_LIFE_MS).toHumanString()}`,
    )
    .prefault(isoDuration(DEFAULTS.nonceLifeMs))
    .meta({ examples: ['PT5M'] }),
  clockError: duration()
    .refine((error) => error.toMilliseconds() <= LONGEST_CLOCK_ERROR_MS, 'must be at most 1 minute')
    .prefault(isoDuration(DEFAULTS.clockErrorMs))
    .meta({ examples: ['PT2S'] }),
  keys: keys.prefault({}).meta({ examples: [{ rotationPeriod: { nonce: 'P30D' } }] }),
  clientKeyLife: duration()
    .prefault(isoDuration(DEFAULTS.clientKeyLifeMs))
    .meta({ examples: ['P90D'] }),
  quota: z
    .strictObject({
      signaturesPerMinute: count(6000).default(DEFAULTS.signaturesPerMinute),
    })
    .prefault({})
    .meta({ examples: [{ signaturesPerMinute: 6000 }] }),
  registrationSchema: z
    .union([z.string().min(1), z.record(z.string(), z.unknown())], 'must be a JSON Schema or the path of one')
    .optional()
    .meta({ examples: ['./registration.schema.json'] }),
  errorDocsUrl: url()
    .optional()
    .meta({ examples: ['https://docs.example.com/errors'] }),
  throttles: throttles.prefault({}).meta({ examples: [{ nonce: { perSecond: 1000, burst: 1000 } }] }),
  concurrencyQuota: count(1000).default(1000),
  waf: waf.prefault({}).meta({ examples: [{ requestsPerIp: 60_000 }] }),
  healthChecks: healthChecks.prefault({}).meta({ examples: [{ interval: 'PT30S' }] }),
  logRetentionDays: z
    .int('must be a whole number')
    .refine((days) => LOG_RETENTION.includes(days), `must be one of ${LOG_RETENTION.join(', ')}`)
    .optional()
    .meta({ examples: [90] }),
  runbookUrl: url()
    .optional()
    .meta({ examples: ['https://wiki.example.com/countersign-runbook'] }),
  watchAlarmTopicArn: arn('sns', '[\\w-]+', 'arn:aws:sns:us-east-1:123456789012:alarms').optional(),
  apiGatewayRole: z
    .enum(['create', 'existing'])
    .default('create')
    .meta({ examples: ['existing'] }),
  tags: z
    .record(z.string().min(1).max(128), z.string().max(256))
    .default({})
    .meta({ examples: [{ team: 'platform' }] }),
  permissionsBoundary: z
    .string()
    .regex(/^[\w+=,.@-]{1,128}$/, 'must be the name of a managed policy')
    .optional()
    .meta({ examples: ['developer-boundary'] }),
  bootstrapQualifier: z
    .string()
    .regex(/^[a-z0-9]{1,10}$/, 'must be 1 to 10 of a-z and 0-9')
    .optional()
    .meta({ examples: ['platform'] }),
  vault: vault.meta({ examples: [{ address: 'https://vault.example.com:8200' }] }),
});

export type { ConfigInput } from './input.ts';
/** A `ConfigInput` as read: defaults filled in, durations as `Duration`. */
export type ConfigSettings = z.output<typeof configSchema>;

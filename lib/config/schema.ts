/**
 * The config: one typed object, every setting with its meaning, unit and default; `examples` are what an error
 * shows. Unknown settings are refused. Durations are ISO 8601, e.g. `PT5M`, `P90D`. docs/deploy-config.md lists all.
 */
import { Duration } from 'aws-cdk-lib';
import { z } from 'zod';
import { DEFAULTS } from '../../lambda/contract/defaults.ts';
import { LONGEST_NONCE_LIFE_MS } from '../../protocol/nonce.ts';
import { duration, isoDuration } from './duration.ts';
import { arn, count, regionName, url } from './forms.ts';
import { keys, vault } from './keys.ts';
import { domain, healthChecks, region, stage } from './regions.ts';
import { tables } from './tables.ts';
import { throttles, waf } from './traffic.ts';

/** What CloudWatch Logs can keep a log for, in days, up to ten years. */
const LOG_RETENTION = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

export const configSchema = z.strictObject({
  /** Which deployment this is; an account can hold several. */
  stage: stage.meta({ examples: [{ name: 'dev', kind: 'dev' }] }),
  /** AWS account, 12 digits. Default: the account of the credentials that deploy. */
  account: z
    .string('must be a string, since it may begin with 0')
    .regex(/^\d{12}$/, 'must be 12 digits')
    .optional()
    .meta({ examples: ['123456789012'] }),
  /** The Regions that serve, in the order that clients should prefer. */
  regions: z
    .array(region)
    .min(1, 'must name at least one Region')
    .meta({ examples: [[{ name: 'eu-west-1' }]] }),
  /** Where tables and keys are created and replicated from. Frozen after the first deploy. Default: the first Region. */
  homeRegion: regionName().optional(),
  /**
   * Third Region of a strongly consistent pair: it holds what replication needs, serves nobody and costs no writes. Of
   * the same set as the two. Frozen after the first deploy. Default: none.
   */
  witnessRegion: regionName()
    .optional()
    .meta({ examples: ['eu-west-3'] }),
  /** Own names. `prod` only. Default: none; every Region then has its `execute-api` URL. */
  domain: domain.optional().meta({
    examples: [
      { entry: 'api.example.com', hostedZone: { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' } },
    ],
  }),
  /** Who the platform is: `aud` of every proof. A URL. Default: the entry's URL. */
  issuer: url()
    .optional()
    .meta({ examples: ['https://api.example.com'] }),
  /**
   * Of registrations and clients across Regions. `strong`: what was acknowledged survives the loss of a Region;
   * `eventual`: the last writer wins. Frozen after the first deploy. Default: `strong` wherever the Regions allow it,
   * which three of one set do, or two and a `witnessRegion`.
   */
  consistency: z
    .enum(['strong', 'eventual'])
    .optional()
    .meta({ examples: ['strong'] }),
  /** Generations of the tables that all Regions share. */
  tables: tables.prefault({}).meta({ examples: [{ generation: 2 }] }),
  /** Life of a nonce, 10 seconds to 1 hour. Default `PT5M`. */
  nonceLife: duration()
    .refine(
      (life) => life.toSeconds() >= 10 && life.toMilliseconds() <= LONGEST_NONCE_LIFE_MS,
      `must be 10 seconds to ${Duration.millis(LONGEST_NONCE_LIFE_MS).toHumanString()}`,
    )
    .prefault(isoDuration(DEFAULTS.nonceLifeMs))
    .meta({ examples: ['PT5M'] }),
  /** E: how wrong a machine's clock may be, at most 1 minute. Default `PT2S`. */
  clockError: duration()
    .refine((error) => error.toSeconds() <= 60, 'must be at most 1 minute')
    .prefault(isoDuration(DEFAULTS.clockErrorMs))
    .meta({ examples: ['PT2S'] }),
  /** Lags and periods that the windows of the platform's own keys follow from. */
  keys: keys.prefault({}).meta({ examples: [{ rotationPeriod: { nonce: 'P30D' } }] }),
  /** Longest life of a client's key, and its default. Default `P90D`. */
  clientKeyLife: duration()
    .prefault(isoDuration(DEFAULTS.clientKeyLifeMs))
    .meta({ examples: ['P90D'] }),
  /** Limit for a client that has none of its own. */
  quota: z
    .strictObject({
      /** Default 6000. */
      signaturesPerMinute: count(6000).default(DEFAULTS.signaturesPerMinute),
    })
    .prefault({})
    .meta({ examples: [{ signaturesPerMinute: 6000 }] }),
  /**
   * JSON Schema (2020-12) of a registration, as an object or as the path of a JSON file, relative to where `cdk` runs. It must
   * make `user_id` a required string. Default: `user_id`, and optionally `email`, `display_name` and `attributes`.
   */
  registrationSchema: z
    .union([z.string().min(1), z.record(z.string(), z.unknown())], 'must be a JSON Schema or the path of one')
    .optional()
    .meta({ examples: ['./registration.schema.json'] }),
  /** `type` of a problem is this URL, `/`, and the code. Default: `<entry URL>/errors`. */
  errorDocsUrl: url()
    .optional()
    .meta({ examples: ['https://docs.example.com/errors'] }),
  /** Limits of each Region's front door. */
  throttles: throttles.prefault({}).meta({ examples: [{ nonce: { perSecond: 1000, burst: 1000 } }] }),
  /**
   * Lambda's "Concurrent executions" of the account in each Region, of which an alarm tells at 80 %. Default 1000, which
   * is AWS's; a new account may have 10.
   */
  concurrencyQuota: count(1000).default(1000),
  /** Web application firewall, `prod` only. */
  waf: waf.prefault({}).meta({ examples: [{ requestsPerIp: 60_000 }] }),
  /** Of the entry's Regions; they exist where there are a `domain` and two Regions. */
  healthChecks: healthChecks.prefault({}).meta({ examples: [{ interval: 'PT30S' }] }),
  /** How long logs are kept, in days, one of CloudWatch's periods. Default: 7 for `dev`, 90 for `prod`. */
  logRetentionDays: z
    .int('must be a whole number')
    .refine((days) => LOG_RETENTION.includes(days), `must be one of ${LOG_RETENTION.join(', ')}`)
    .optional()
    .meta({ examples: [90] }),
  /**
   * Where alarms send who reads them: this URL, `#`, and the section. Default: the stage's dashboard, which then shows
   * docs/runbook.md; `dev` names the file.
   */
  runbookUrl: url()
    .optional()
    .meta({ examples: ['https://wiki.example.com/countersign-runbook'] }),
  /** SNS topic in us-east-1 for the alarms of the Regions' health. Default: `prod` makes one without subscribers. */
  watchAlarmTopicArn: arn('sns', '[\\w-]+', 'arn:aws:sns:us-east-1:123456789012:alarms').optional(),
  /**
   * The role by which API Gateway writes logs is one for an account and Region. `create`: by a stack that all stages
   * share; `existing`: one is set already, without which AWS refuses an access log. Default `create`; `dev` needs none.
   */
  apiGatewayRole: z
    .enum(['create', 'existing'])
    .default('create')
    .meta({ examples: ['existing'] }),
  /** Tags of all stacks and so of all that they make. Default: none. */
  tags: z
    .record(z.string().min(1).max(128), z.string().max(256))
    .default({})
    .meta({ examples: [{ team: 'platform' }] }),
  /** Name of the managed policy that bounds every role. Default: none. */
  permissionsBoundary: z
    .string()
    .regex(/^[\w+=,.@-]{1,128}$/, 'must be the name of a managed policy')
    .optional()
    .meta({ examples: ['developer-boundary'] }),
  /** Of `cdk bootstrap --qualifier`. Default: the CDK's own. */
  bootstrapQualifier: z
    .string()
    .regex(/^[a-z0-9]{1,10}$/, 'must be 1 to 10 of a-z and 0-9')
    .optional()
    .meta({ examples: ['platform'] }),
  /** Where every key of the platform is made: docs/vault.md. */
  vault: vault.meta({ examples: [{ address: 'https://vault.example.com:8200' }] }),
});

export type { ConfigInput } from './input.ts';
/** A `ConfigInput` as read: defaults filled in, durations as `Duration`. */
export type ConfigSettings = z.output<typeof configSchema>;

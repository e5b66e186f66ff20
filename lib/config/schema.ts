/**
 * The config: one typed object, every setting with its meaning, unit and default; `examples` are what an error
 * shows. Unknown settings are refused. Durations are ISO 8601, e.g. `PT5M`, `P90D`.
 */
import { z } from 'zod';
import { duration } from './duration.ts';

const url = () =>
  z
    .string()
    .regex(
      /^(https:\/\/[^\s/?#@]+|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?)(\/[^\s/?#]+)*$/,
      'must be an https URL (http on loopback only) without a trailing "/", query or fragment',
    );

const baseUrl = () =>
  url().refine((text) => !`${text}/`.includes('/v1/'), 'must not contain /v1, which the routes begin with');

const stage = z.strictObject({
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

const region = z.strictObject({
  /** The AWS Region, at most 15 characters: it is part of every nonce. */
  name: z
    .string()
    .max(15, 'must have at most 15 characters: it is part of every nonce')
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be the name of an AWS Region')
    .meta({ examples: ['eu-west-1'] }),
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
  ledgerGeneration: z
    .int('must be a whole number')
    .min(1, 'must be 1 or more')
    .default(1)
    .meta({ examples: [1] }),
});

const domain = z.strictObject({
  /** Host name of the entry, which leads to the nearest healthy Region; each Region gets `<region>.<entry>`. */
  entry: z.hostname('must be a host name').meta({ examples: ['api.example.com'] }),
  /** The public Route 53 hosted zone that the names lie in. */
  hostedZone: z
    .strictObject({
      id: z
        .string()
        .regex(/^Z[A-Z0-9]{5,31}$/, 'must be the id of a hosted zone')
        .meta({ examples: ['Z0123456789ABCDEFGHIJ'] }),
      name: z.hostname('must be a host name').meta({ examples: ['example.com'] }),
    })
    .meta({ examples: [{ id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' }] }),
});

const rotationPeriod = (value: string) =>
  duration()
    .prefault(value)
    .meta({ examples: [value] });

const keys = z.strictObject({
  /** L: how late a replica of a secret may be. Default `PT1H`. */
  replicationLag: duration()
    .prefault('PT1H')
    .meta({ examples: ['PT1H'] }),
  /** V: oldest copy of a keyset that may verify; beyond it a request waits for a refresh. Default `P1D`. */
  verifierMaxAge: duration()
    .prefault('P1D')
    .meta({ examples: ['P1D'] }),
  /** S: oldest copy of a keyset that may sign. Default `P1D`. */
  signerMaxAge: duration()
    .prefault('P1D')
    .meta({ examples: ['P1D'] }),
  /** X: longest time that one rotation may take. Default `PT1H`. */
  rotationTime: duration()
    .prefault('PT1H')
    .meta({ examples: ['PT1H'] }),
  /** From one rotation to the next, per purpose: longer than the windows that follow from the above. */
  rotationPeriod: z
    .strictObject({
      /** Default `P30D`. */
      nonce: rotationPeriod('P30D'),
      /** Default `P180D`; its windows hold `clientKeyLife`. */
      'client-root': rotationPeriod('P180D'),
      /** Default `P30D`. */
      token: rotationPeriod('P30D'),
    })
    .prefault({})
    .meta({ examples: [{ nonce: 'P30D', 'client-root': 'P180D', token: 'P30D' }] }),
});

const vault = z.strictObject({
  /** Where Vault's API is. */
  address: url().meta({ examples: ['https://vault.example.com:8200'] }),
  /** Vault Enterprise namespace. Default: none. */
  namespace: z
    .string()
    .min(1)
    .optional()
    .meta({ examples: ['platform'] }),
  /** PEM certificates of the authority that Vault's own comes from. Default: the public ones. */
  caPem: z
    .string()
    .startsWith('-----BEGIN CERTIFICATE-----', 'must be PEM')
    .optional()
    .meta({ examples: ['-----BEGIN CERTIFICATE-----\n…'] }),
  /** How the rotation function logs in: by its IAM role, an AppRole, or a JWT. Default `aws`. */
  auth: z
    .enum(['aws', 'approle', 'jwt'])
    .default('aws')
    .meta({ examples: ['aws'] }),
  /** How it gets there: over the internet, or from a VPC, which then needs a way to Secrets Manager. Default `public`. */
  network: z
    .union(
      [
        z.literal('public'),
        z.strictObject({
          vpcId: z.string(),
          subnetIds: z.array(z.string()).min(1),
          securityGroupIds: z.array(z.string()).min(1),
        }),
      ],
      'must be "public" or a VPC, its subnets and its security groups',
    )
    .default('public')
    .meta({ examples: [{ vpcId: 'vpc-0a1b', subnetIds: ['subnet-0a1b'], securityGroupIds: ['sg-0a1b'] }] }),
});

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
  homeRegion: z
    .string()
    .optional()
    .meta({ examples: ['eu-west-1'] }),
  /** Default: none; every Region then has its `execute-api` URL. */
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
   * `eventual`: the last writer wins. Frozen after the first deploy. Default: `strong` wherever the Regions allow it.
   */
  consistency: z
    .enum(['strong', 'eventual'])
    .optional()
    .meta({ examples: ['strong'] }),
  /** Life of a nonce, 10 seconds to 1 hour. Default `PT5M`. */
  nonceTtl: duration()
    .refine((life) => life.toSeconds() >= 10 && life.toSeconds() <= 3600, 'must be 10 seconds to 1 hour')
    .prefault('PT5M')
    .meta({ examples: ['PT5M'] }),
  /** E: how wrong a machine's clock may be, at most 1 minute. Default `PT2S`. */
  clockError: duration()
    .refine((error) => error.toSeconds() <= 60, 'must be at most 1 minute')
    .prefault('PT2S')
    .meta({ examples: ['PT2S'] }),
  /** Lags and periods that the windows of the platform's own keys follow from. */
  keys: keys.prefault({}).meta({ examples: [{ rotationPeriod: { nonce: 'P30D' } }] }),
  /** Longest life of a client's key, and its default. Default `P90D`. */
  clientKeyLife: duration()
    .prefault('P90D')
    .meta({ examples: ['P90D'] }),
  /** Limit for a client that has none of its own. */
  quota: z
    .strictObject({
      /** Default 6000. */
      signaturesPerMinute: z
        .int('must be a whole number')
        .min(1, 'must be 1 or more')
        .default(6000)
        .meta({ examples: [6000] }),
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
  /** Where the platform's keys come from. */
  vault: vault.optional().meta({ examples: [{ address: 'https://vault.example.com:8200' }] }),
});

/** What an operator writes. */
export type ConfigInput = z.input<typeof configSchema>;
/** The same, read: defaults filled in, durations as `Duration`. */
export type ConfigSettings = z.output<typeof configSchema>;

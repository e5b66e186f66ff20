/** Settings of the platform's own keys, and of Vault, which they come from. */
import { z } from 'zod';
import { DEFAULT_LAGS, DEFAULTS } from '../../lambda/contract/defaults.ts';
import { KEYSETS, PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { duration, isoDuration } from './duration.ts';
import { regionName, url } from './forms.ts';

const HOUR_S = 3600;

/** What Secrets Manager's schedules can say; more often than every four hours wears out a secret's versions. */
function rotationPeriod(purpose: Purpose) {
  const usual = `P${KEYSETS[purpose].rotationDays}D`;
  return duration()
    .refine((period) => period.toSeconds() % HOUR_S === 0, 'must be whole hours')
    .refine((period) => period.toSeconds() >= 4 * HOUR_S, 'must be 4 hours or more')
    .refine((period) => period.toSeconds() <= 999 * 24 * HOUR_S, 'must be 999 days at most')
    .prefault(usual)
    .meta({ examples: [usual] });
}

type RotationPeriod = ReturnType<typeof rotationPeriod>;
const rotationPeriods = Object.fromEntries(
  PURPOSES.map((purpose) => [purpose, rotationPeriod(purpose)]),
) as Record<Purpose, RotationPeriod>;

/** 8 hexadecimal digits, or the 17 of newer ones. */
const ec2Id = (kind: string): RegExp => new RegExp(`^${kind}-[0-9a-f]{8}([0-9a-f]{9})?$`);

/** Where functions get to Vault from, other than over the internet. All of one Region. */
export const vpc = z.strictObject({
  vpcId: z
    .string()
    .regex(ec2Id('vpc'), 'must be the id of a VPC')
    .meta({ examples: ['vpc-0a1b2c3d4e5f60718'] }),
  /** Private ones, with a way to Secrets Manager: an interface endpoint or a NAT gateway. */
  subnetIds: z
    .array(z.string().regex(ec2Id('subnet'), 'must be the id of a subnet'))
    .min(1, 'must name at least one subnet')
    .meta({ examples: [['subnet-0a1b2c3d4e5f60718']] }),
  /** They let out what Vault listens on. */
  securityGroupIds: z
    .array(z.string().regex(ec2Id('sg'), 'must be the id of a security group'))
    .min(1, 'must name at least one security group')
    .meta({ examples: [['sg-0a1b2c3d4e5f60718']] }),
});
const VPC = {
  vpcId: 'vpc-0a1b2c3d4e5f60718',
  subnetIds: ['subnet-0a1b2c3d4e5f60718'],
  securityGroupIds: ['sg-0a1b2c3d4e5f60718'],
};
export const VPC_EXAMPLES = [VPC];

export const keys = z.strictObject({
  /**
   * The Region that makes the platform's keys. Set it only after `countersign keys promote`, and never remove it again:
   * since then no stack makes or changes the secrets. Default: the home Region, whose stack makes them.
   */
  managedBy: regionName()
    .optional()
    .meta({ examples: ['eu-central-1'] }),
  /** L: how late a replica of a secret may be. Default `PT1H`. */
  replicationLag: duration()
    .prefault(isoDuration(DEFAULT_LAGS.replicationMs))
    .meta({ examples: ['PT1H'] }),
  /** V and S: oldest copy of a keyset that may verify or sign; beyond it a request waits for a refresh. Default `P1D`. */
  keysetMaxAge: duration()
    .prefault(isoDuration(DEFAULTS.keysetMaxAgeMs))
    .meta({ examples: ['P1D'] }),
  /** X: longest time that one rotation may take. Default `PT1H`. */
  rotationTime: duration()
    .prefault(isoDuration(DEFAULT_LAGS.finishMs))
    .meta({ examples: ['PT1H'] }),
  /**
   * From one rotation to the next, per purpose: whole hours, 4 hours to 999 days, and longer than the windows that
   * follow from the above. Default `P30D`; `client-root` `P180D`, since its windows hold `clientKeyLife`.
   */
  rotationPeriod: z
    .strictObject(rotationPeriods)
    .prefault({})
    .meta({ examples: [{ nonce: 'P30D', 'client-root': 'P180D', token: 'P30D' }] }),
});

export const vault = z.strictObject({
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
    .max(
      3000,
      'must have at most 3000 characters, since it travels in an environment variable: the root alone is enough',
    )
    .optional()
    .meta({ examples: ['-----BEGIN CERTIFICATE-----\n…'] }),
  /** How the rotation function logs in: by its IAM role, an AppRole, or a JWT. Default `aws`. */
  auth: z
    .enum(['aws', 'approle', 'jwt'])
    .default('aws')
    .meta({ examples: ['aws'] }),
  /**
   * With `auth: 'aws'`: the Region whose STS endpoint Vault asks who signed, which Vault's `sts_endpoint` and `sts_region`
   * must name as well. Default: the global endpoint, Vault's own default.
   */
  stsRegion: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be the name of an AWS Region')
    .optional()
    .meta({ examples: ['eu-west-1'] }),
  /**
   * How it gets there: over the internet, or from a VPC of the home Region; other Regions then have a `vaultNetwork` of
   * their own. Default `public`.
   */
  network: z
    .union([z.literal('public'), vpc], 'must be "public" or a VPC, its subnets and its security groups')
    .default('public')
    .meta({ examples: VPC_EXAMPLES }),
});

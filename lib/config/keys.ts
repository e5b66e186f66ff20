/** Settings of the platform's own keys, and of Vault, which they come from. */
import { z } from 'zod';
import { duration } from './duration.ts';
import { url } from './forms.ts';

const rotationPeriod = (value: string) =>
  duration()
    .prefault(value)
    .meta({ examples: [value] });

export const keys = z.strictObject({
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

/** Settings of Vault, where every key of the platform is made, and of the network that leads to it. */
import { z } from 'zod';
import { AWS_REGION } from '../../lambda/contract/forms.ts';
import { url } from './forms.ts';

/** 8 hexadecimal digits, or the 17 of newer ones. */
const ec2Id = (kind: string): RegExp => new RegExp(`^${kind}-[0-9a-f]{8}([0-9a-f]{9})?$`);

export const vpc = z.strictObject({
  vpcId: z
    .string()
    .regex(ec2Id('vpc'), 'must be the id of a VPC')
    .meta({ examples: ['vpc-0a1b2c3d4e5f60718'] }),
  subnetIds: z
    .array(z.string().regex(ec2Id('subnet'), 'must be the id of a subnet'))
    .min(1, 'must name at least one subnet')
    .meta({ examples: [['subnet-0a1b2c3d4e5f60718']] }),
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

export const vault = z.strictObject({
  address: url().meta({ examples: ['https://vault.example.com:8200'] }),
  namespace: z
    .string()
    .min(1)
    .optional()
    .meta({ examples: ['platform'] }),
  caPem: z
    .string()
    .startsWith('-----BEGIN CERTIFICATE-----', 'must be PEM')
    .max(
      3000,
      'must have at most 3000 characters, since it travels in an environment variable: the root alone is enough',
    )
    .optional()
    .meta({ examples: ['-----BEGIN CERTIFICATE-----\n…'] }),
  auth: z
    .enum(['aws', 'approle', 'jwt'])
    .default('aws')
    .meta({ examples: ['aws'] }),
  stsRegion: z
    .string()
    .regex(AWS_REGION, 'must be the name of an AWS Region')
    .optional()
    .meta({ examples: ['eu-west-1'] }),
  network: z
    .union([z.literal('public'), vpc], 'must be "public" or a VPC, its subnets and its security groups')
    .default('public')
    .meta({ examples: VPC_EXAMPLES }),
});

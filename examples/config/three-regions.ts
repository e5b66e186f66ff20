/**
 * Two Regions that serve and a third that is only a witness, all of one Region set. Registrations are
 * strongly consistent: an acknowledged registration survives the loss of any one of the three. A Vault in a
 * private network makes the keys.
 */
import type { ConfigInput } from '../../lib/config/schema.ts';

const config: ConfigInput = {
  stage: { name: 'live', kind: 'prod' },
  regions: [
    { name: 'eu-west-1' },
    {
      name: 'eu-central-1',
      vaultNetwork: {
        vpcId: 'vpc-0c1d2e3f4a5b6c7d8',
        subnetIds: ['subnet-0c1d2e3f4a5b6c7d8'],
        securityGroupIds: ['sg-0c1d2e3f4a5b6c7d8'],
      },
    },
  ],
  witnessRegion: 'eu-west-3',
  domain: { entry: 'api.example.com', hostedZone: { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' } },
  // An OpenBao in a private network, which a VPC in each Region leads to.
  vault: {
    address: 'https://bao.internal.example.com:8200',
    auth: 'jwt',
    network: {
      vpcId: 'vpc-0a1b2c3d4e5f60718',
      subnetIds: ['subnet-0a1b2c3d4e5f60718', 'subnet-0a2b3c4d5e6f70819'],
      securityGroupIds: ['sg-0a1b2c3d4e5f60718'],
    },
  },
  tags: { team: 'platform' },
};

export default config;

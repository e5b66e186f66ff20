/**
 * Two Regions on different continents. A strongly consistent table cannot span them, so registrations are
 * eventually consistent: if both Regions register one user with different data within the replication lag,
 * the last one wins.
 */
import type { ConfigInput } from '../../lib/config/schema.ts';

const config: ConfigInput = {
  stage: { name: 'live', kind: 'prod' },
  regions: [{ name: 'eu-west-1' }, { name: 'us-east-1' }],
  domain: { entry: 'api.example.com', hostedZone: { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' } },
  vault: { address: 'https://vault.example.com:8200' },
  tags: { team: 'platform' },
};

export default config;

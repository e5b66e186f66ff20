/**
 * Two Regions of different continents. No strongly consistent table spans them, so registrations are eventually
 * consistent: of two with different data for one user, made in both Regions within the replication lag, the last wins.
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

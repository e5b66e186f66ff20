/**
 * Two Regions that serve and a third that only witnesses, all of one set: strongly consistent, so that a registration
 * that was acknowledged survives the loss of any one of the three.
 */
import type { ConfigInput } from '../../lib/config/schema.ts';

const config: ConfigInput = {
  stage: { name: 'live', kind: 'prod' },
  regions: [{ name: 'eu-west-1' }, { name: 'eu-central-1' }],
  witnessRegion: 'eu-west-3',
  domain: { entry: 'api.example.com', hostedZone: { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' } },
  vault: { address: 'https://vault.example.com:8200' },
  tags: { team: 'platform' },
};

export default config;

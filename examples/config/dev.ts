/**
 * One Region without a domain, for trying it out: about 2 USD a month at rest, and `cdk destroy` removes
 * everything.
 */
import type { ConfigInput } from '../../lib/config/schema.ts';

const config: ConfigInput = {
  stage: { name: 'dev', kind: 'dev' },
  regions: [{ name: 'eu-west-1' }],
  // This Vault makes every key: docs/vault.md.
  vault: { address: 'https://vault.example.com:8200' },
};

export default config;

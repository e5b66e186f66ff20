import type { ConfigInput } from './lib/config/schema.ts';

/**
 * What `npx cdk deploy --all` deploys. docs/deploy-config.md has every setting; examples/config/ has other
 * configs.
 */
const config: ConfigInput = {
  stage: { name: 'dev', kind: 'dev' },
  regions: [{ name: 'eu-west-1' }],
  // Where every key is made: docs/vault.md.
  vault: { address: 'https://vault.example.com:8200' },
};

export default config;

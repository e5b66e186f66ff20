import type { ConfigInput } from './lib/config/schema.ts';

/** What `npx cdk deploy --all` deploys. Every setting is described in lib/config/schema.ts. */
const config: ConfigInput = {
  stage: { name: 'dev', kind: 'dev' },
  regions: [{ name: 'eu-west-1' }],
};

export default config;

import { GetWebIdentityTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { sdkDynamodb, sdkSecrets } from '../adapters/aws-sdk.ts';
import { rotate } from './compose/keys.ts';
import { aws, runtime } from './process.ts';

/** In seconds: the token serves one login, which follows at once. */
const TOKEN_LIFE_S = 300;

export const handler = rotate({
  ...runtime,
  aws: (region) => ({
    secrets: sdkSecrets({ ...aws, region }),
    dynamodb: sdkDynamodb({ ...aws, region }),
  }),
  credentials: async () => aws.credentials,
  // At the Region's own endpoint: the global one makes no tokens.
  async webIdentityToken(audience) {
    const request = { Audience: [audience], SigningAlgorithm: 'ES384', DurationSeconds: TOKEN_LIFE_S };
    const { WebIdentityToken } = await new STSClient(aws).send(new GetWebIdentityTokenCommand(request));
    if (WebIdentityToken === undefined) throw new Error('STS returned no token');
    return WebIdentityToken;
  },
});

import { oauthMetadata } from './compose/oauth.ts';
import { runtime } from './process.ts';

export const handler = oauthMetadata(runtime);

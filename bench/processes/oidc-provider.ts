/**
 * Dynamic client registration (RFC 7591) by oidc-provider with its default settings and its adapter in
 * memory.
 */
import { exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import { answerAsks } from './ask.ts';
import { gauges } from './gauges.ts';
import { listen } from './server.ts';

// Registration signs nothing. A key is set so that the provider does not warn about its built-in one.
const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const signing = { ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig' };
const configuration = {
  features: { registration: { enabled: true }, devInteractions: { enabled: false } },
  jwks: { keys: [signing] },
  cookies: { keys: ['registration sets none'] },
};
const url = await listen((issuer) => new Provider(issuer, configuration).callback());

answerAsks({ ...gauges(), url: () => url });

/**
 * The DPoP cases of the FAPI 2 conformance suite, in its order and by its names
 * (FAPI2SPFinalDpopNegativeTests, openid.net/certification): what a resource must refuse, and the few things
 * that it must not.
 */
import { generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';
import { type DpopRequest, dpopProof, type JwsChange, makeKey, sha256, type TestKey } from './dpop.ts';

export interface FapiCase {
  readonly name: string;
  readonly succeeds: boolean;
  /** @returns the header fields of a request with this case's proof, the field `DPoP` first */
  readonly headers: (key: TestKey, request: DpopRequest) => Headers;
}

type Headers = Readonly<Record<string, string | readonly string[]>>;

const other = await makeKey();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

const change =
  (changes: JwsChange | ((key: TestKey, request: DpopRequest) => JwsChange)) =>
  (key: TestKey, request: DpopRequest): Headers => ({
    DPoP: dpopProof(key, request, typeof changes === 'function' ? changes(key, request) : changes),
  });

const text =
  (edit: (proof: string, key: TestKey) => string | readonly string[]) =>
  (key: TestKey, request: DpopRequest): Headers => ({ DPoP: edit(dpopProof(key, request), key) });

const claims = (members: object) => change({ claims: members });
const header = (members: object) => change({ header: members });

const FIXED_JTI = 'a-jti-that-comes-twice';
const HOUR = 3600;

const withUrl = (edit: (url: URL) => string) =>
  change((_, { url }) => ({ claims: { htu: edit(new URL(url)) } }));

const edit = (part: string, members: object): string =>
  Buffer.from(
    JSON.stringify({ ...JSON.parse(Buffer.from(part, 'base64url').toString()), ...members }),
  ).toString('base64url');

export const FAPI_CASES: readonly FapiCase[] = [
  {
    name: 'the name of the header in upper case',
    succeeds: true,
    headers: (key, request) => ({ DPOP: dpopProof(key, request) }),
  },
  {
    name: 'more than one DPoP header',
    succeeds: false,
    headers: (key, request) => ({ DPoP: [dpopProof(key, request), dpopProof(key, request)] }),
  },
  { name: 'not a well-formed JWT', succeeds: false, headers: text((proof) => `${proof}.x`) },
  { name: 'typ missing', succeeds: false, headers: header({ typ: undefined }) },
  {
    name: 'alg missing',
    succeeds: false,
    headers: text((proof) => {
      const [head = '', ...rest] = proof.split('.');
      return [edit(head, { alg: undefined }), ...rest].join('.');
    }),
  },
  { name: 'jwk missing', succeeds: false, headers: header({ jwk: undefined }) },
  { name: 'jti missing', succeeds: false, headers: claims({ jti: undefined }) },
  { name: 'htm missing', succeeds: false, headers: claims({ htm: undefined }) },
  { name: 'htu missing', succeeds: false, headers: claims({ htu: undefined }) },
  { name: 'iat missing', succeeds: false, headers: claims({ iat: undefined }) },
  { name: 'ath missing', succeeds: false, headers: claims({ ath: undefined }) },
  { name: 'another typ', succeeds: false, headers: header({ typ: 'jwt+dpop' }) },
  {
    name: 'signed with RS256',
    succeeds: false,
    headers: (key, request) => ({
      DPoP: dpopProof(key, request, {
        header: { alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) },
        signer: { ...key, alg: 'ES256', privateKey: rsa.privateKey },
      }),
    }),
  },
  {
    name: 'alg none',
    succeeds: false,
    headers: (key, request) => {
      const proof = dpopProof(key, request, { header: { alg: 'none' } });
      return { DPoP: proof.slice(0, proof.lastIndexOf('.') + 1) };
    },
  },
  {
    name: 'a signature that is not valid',
    succeeds: false,
    headers: text((proof) => {
      const at = proof.lastIndexOf('.') + 10;
      return proof.slice(0, at) + (proof[at] === 'A' ? 'B' : 'A') + proof.slice(at + 1);
    }),
  },
  {
    name: 'a private key in jwk',
    succeeds: false,
    headers: change(({ privateKey }) => ({ header: { jwk: privateKey.export({ format: 'jwk' }) as JWK } })),
  },
  { name: 'another htm', succeeds: false, headers: claims({ htm: 'PUT' }) },
  {
    name: 'htu with query and fragment, which are ignored',
    succeeds: true,
    headers: withUrl((url) => `${url.href}?query=1#fragment`),
  },
  {
    name: 'htu without query and fragment',
    succeeds: true,
    headers: withUrl((url) => url.origin + url.pathname),
  },
  { name: 'another htu', succeeds: false, headers: claims({ htu: 'https://example.com/other' }) },
  {
    name: 'iat one hour in the future, beside a nonce',
    succeeds: true,
    headers: change((_, { nowS }) => ({ claims: { iat: Math.floor(nowS) + HOUR } })),
  },
  {
    name: 'iat one hour in the past, beside a nonce',
    succeeds: true,
    headers: change((_, { nowS }) => ({ claims: { iat: Math.floor(nowS) - HOUR } })),
  },
  { name: 'the first use of a jti', succeeds: true, headers: claims({ jti: FIXED_JTI }) },
  { name: 'the second use of that jti', succeeds: false, headers: claims({ jti: FIXED_JTI }) },
  { name: 'another ath', succeeds: false, headers: claims({ ath: sha256('another token') }) },
  {
    name: 'signed with another key',
    succeeds: false,
    headers: (_, request) => ({ DPoP: dpopProof(other, request) }),
  },
  {
    name: 'more members in header and claims, which are ignored',
    succeeds: true,
    headers: change({ header: { extra: 'ignored' }, claims: { extra: 'ignored' } }),
  },
  {
    name: 'scheme and host of htu in upper case',
    succeeds: true,
    headers: withUrl((url) => `${url.protocol.toUpperCase()}//${url.host.toUpperCase()}${url.pathname}`),
  },
  {
    name: "htu with the scheme's own port",
    succeeds: true,
    headers: withUrl((url) => `${url.protocol}//${url.host}:443${url.pathname}`),
  },
  { name: 'no proof', succeeds: false, headers: () => ({}) },
  {
    name: 'the token as a Bearer token',
    succeeds: false,
    headers: (key, request) => ({
      DPoP: dpopProof(key, request),
      Authorization: `Bearer ${request.token}`,
    }),
  },
  { name: 'a correct proof still succeeds', succeeds: true, headers: change({}) },
];

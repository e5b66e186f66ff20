/** The checks of RFC 9449 §4.3, one by one. */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { deriveNonceKey, mintNonce } from '../../../protocol/nonce.ts';
import { DPOP_CLIENT, type DpopContext, verifyDpop } from '../../../protocol/oauth/dpop.ts';
import {
  type DpopRequest,
  dpopProof,
  type JwsChange,
  makeKey,
  sha256,
  type TestKey,
} from '../../support/dpop.ts';
import { FAPI_CASES } from '../../support/fapi-dpop.ts';

const URL_ = 'https://api.example.com';
const PATH = '/v1/register';
const NOW_MS = Date.UTC(2026, 10, 28, 9);
const TOKEN = 'a.token.of-a-client';
const BODY = Buffer.from('{"user_id":"u"}');
const nonceKey = deriveNonceKey(randomBytes(32), 'eu-west-1', 'ledger');
const KID = 'AAAAAA';
const key = await makeKey();

const nonceFor = (clientId: string = DPOP_CLIENT, issuedMs = NOW_MS, region = 'eu-west-1') =>
  mintNonce({ kid: KID, key: nonceKey, region, issuedMs, lifeMs: 660_000, clientId });

const CONTEXT: DpopContext = {
  path: PATH,
  baseUrls: ['https://eu-west-1.api.example.com', URL_],
  region: 'eu-west-1',
  nowMs: NOW_MS,
  clockErrorMs: 2_000,
  bodyBinding: false,
  token: TOKEN,
};
const REQUEST: DpopRequest = {
  method: 'POST',
  url: URL_ + PATH,
  token: TOKEN,
  nonce: nonceFor(),
  nowS: NOW_MS / 1000,
};

async function check(
  headers: Readonly<Record<string, string | readonly string[]>>,
  context: Partial<DpopContext> = {},
) {
  const byName = new Map(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value].flat()]),
  );
  const outcome = await verifyDpop(
    { method: 'POST', headers: byName, body: BODY },
    { ...CONTEXT, ...context },
    async (kid) => (kid === KID ? nonceKey : undefined),
  );
  return outcome.ok ? outcome.dpop : outcome.reason;
}

const checkProof = (changes: JwsChange = {}, context: Partial<DpopContext> = {}, signer: TestKey = key) =>
  check({ DPoP: dpopProof(signer, REQUEST, changes) }, context);

describe('the list of the FAPI 2 conformance suite', () => {
  // What these need besides the proof is in test/lambda/oauth: the ledger, the token, the other header.
  const elsewhere = ['the second use of that jti', 'signed with another key', 'the token as a Bearer token'];
  it('has 32 cases', () => expect(FAPI_CASES).toHaveLength(32));
  it.each(FAPI_CASES.filter(({ name }) => !elsewhere.includes(name)))(
    '$name: $succeeds',
    async ({ succeeds, headers }) => {
      const outcome = await check(headers(key, REQUEST));
      expect(typeof outcome === 'object').toBe(succeeds);
    },
  );
});

describe('what a proof tells', () => {
  it.each(['ES256', 'Ed25519'] as const)(
    '%s: the key, by its thumbprint, and what to remember',
    async (alg) => {
      const signer = await makeKey(alg);
      const jti = 'once';
      const one = await checkProof({ claims: { jti } }, {}, signer);
      expect(one).toMatchObject({ thumbprint: signer.thumbprint, jti, bindsBody: false });
      const again = await checkProof({ claims: { jti } }, {}, signer);
      const another = await checkProof({ claims: { jti: 'twice' } }, {}, signer);
      const others = await checkProof({ claims: { jti } });
      const use = (outcome: typeof one) => (typeof outcome === 'object' ? outcome.use.text : outcome);
      expect(use(again)).toBe(use(one));
      expect(new Set([use(one), use(another), use(others)]).size).toBe(3);
    },
  );

  it('EdDSA is another name of Ed25519', async () => {
    const signer = await makeKey('Ed25519');
    expect(await checkProof({ header: { alg: 'EdDSA' } }, {}, signer)).toBeTypeOf('object');
  });

  it('remembers it for as long as the nonce lives', async () => {
    const outcome = await checkProof();
    expect(outcome).toMatchObject({ use: { issuedMs: NOW_MS, lifeMs: 660_000 } });
  });
});

describe('each rule refuses', () => {
  const s = NOW_MS / 1000;
  it.each<[string, string, JwsChange]>([
    ['dpop_form', 'an extension that must be understood', { header: { crit: ['x'], x: 1 } }],
    ['dpop_key', 'an alg of another kind of key', { header: { alg: 'Ed25519' } }],
    ['dpop_key', 'an alg that is not on the list', { header: { alg: 'ES384' } }],
    ['dpop_key', 'HMAC with the public key', { header: { alg: 'HS256' } }],
    ['dpop_key', 'a second spelling of the key', { header: { jwk: { ...key.jwk, x: `${key.jwk.x}=` } } }],
    ['dpop_key', 'a secret key', { header: { jwk: { ...key.jwk, k: 'AA' } } }],
    ['dpop_jti', 'a jti that is no text', { claims: { jti: 1 } }],
    ['dpop_jti', 'an empty jti', { claims: { jti: '' } }],
    ['dpop_jti', 'a very long jti', { claims: { jti: 'x'.repeat(513) } }],
    ['dpop_htm', 'htm in lower case', { claims: { htm: 'post' } }],
    ['dpop_htu', 'a path in upper case', { claims: { htu: `${URL_}/V1/REGISTER` } }],
    ['dpop_htu', 'another path of this host', { claims: { htu: `${URL_}/v1/oauth/token` } }],
    ['dpop_htu', 'a user before the host', { claims: { htu: `https://u@api.example.com${PATH}` } }],
    ['dpop_htu', 'the port of another scheme', { claims: { htu: `https://api.example.com:80${PATH}` } }],
    ['dpop_htu', 'http', { claims: { htu: `http://api.example.com${PATH}` } }],
    ['dpop_iat', 'an iat that is no number', { claims: { iat: 'now' } }],
    ['dpop_exp', 'an exp that is past', { claims: { exp: s - 60 } }],
    ['dpop_exp', 'an exp that is no number', { claims: { exp: 'soon' } }],
    ['dpop_nbf', 'an nbf that is ahead', { claims: { nbf: s + 61 } }],
    ['dpop_ath', 'the token itself as ath', { claims: { ath: TOKEN } }],
    ['dpop_fingerprint', 'the fingerprint of another body', { claims: { fingerprint: sha256('other') } }],
    ['dpop_nonce', 'no nonce', { claims: { nonce: undefined } }],
    ['dpop_nonce', "a nonce of a client's own proofs", { claims: { nonce: nonceFor('dev') } }],
    [
      'dpop_nonce',
      'a nonce that has expired',
      { claims: { nonce: nonceFor(DPOP_CLIENT, NOW_MS - 660_001) } },
    ],
    ['dpop_nonce', 'a nonce from the future', { claims: { nonce: nonceFor(DPOP_CLIENT, NOW_MS + 2_001) } }],
    [
      'dpop_nonce',
      "another Region's nonce",
      { claims: { nonce: nonceFor(DPOP_CLIENT, NOW_MS, 'us-east-1') } },
    ],
    [
      'dpop_nonce',
      'a nonce of another key',
      { claims: { nonce: nonceFor().replace(/^......../, 'AQEBAQEB') } },
    ],
  ])('%s: %s', async (reason, _, changes) => {
    expect(await checkProof(changes)).toBe(reason);
  });

  it('a signature by another key than the one in the header', async () => {
    expect(await checkProof({ signer: await makeKey() })).toBe('dpop_signature');
    // Also once the header is known.
    expect(await checkProof()).toBeTypeOf('object');
    expect(await checkProof({ signer: await makeKey() })).toBe('dpop_signature');
  });

  it('a proof without the body where every proof must name it', async () => {
    expect(await checkProof({}, { bodyBinding: true })).toBe('dpop_fingerprint');
    const bound = await checkProof({ claims: { fingerprint: sha256(BODY) } }, { bodyBinding: true });
    expect(bound).toMatchObject({ bindsBody: true });
  });

  it('claims before the nonce: a proof for another request learns of no nonce', async () => {
    expect(await checkProof({ claims: { nonce: undefined, htm: 'GET' } })).toBe('dpop_htm');
  });

  it("the Region's own URL and the entry's, and no other", async () => {
    for (const url of CONTEXT.baseUrls)
      expect(await checkProof({ claims: { htu: url + PATH } })).toBeTypeOf('object');
    expect(await checkProof({ claims: { htu: `https://us-east-1.api.example.com${PATH}` } })).toBe(
      'dpop_htu',
    );
  });
});

/** Check 4 verifies on its own thread, by node:crypto: its verdict is jose's for whatever signature it is given. */
import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify } from 'jose';
import { expect, it } from 'vitest';
import type { ClientKey } from '../../protocol/client.ts';
import { type Proof, parseProof } from '../../protocol/proof/form.ts';
import { verifySignature } from '../../protocol/proof/signature.ts';

type Alg = 'HS256' | 'ES256' | 'Ed25519';

function keyPair(alg: Alg): { sign: KeyObject; verify: KeyObject } {
  if (alg === 'HS256') {
    const key = createSecretKey(randomBytes(40));
    return { sign: key, verify: key };
  }
  const { privateKey, publicKey } =
    alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  return { sign: privateKey, verify: publicKey };
}
const KEYS = Object.fromEntries(
  (['HS256', 'ES256', 'Ed25519'] as const).map((alg) => [alg, [keyPair(alg), keyPair(alg)]]),
) as Record<Alg, [ReturnType<typeof keyPair>, ReturnType<typeof keyPair>]>;
const clientKey = { kid: '1' } as ClientKey;

async function makeProof(alg: Alg, sign: KeyObject, payload: object): Promise<string> {
  const header = { alg, typ: 'countersign-proof+jwt', kid: '1' };
  return new CompactSign(Buffer.from(JSON.stringify({ iss: 'dev', ...payload })))
    .setProtectedHeader(header)
    .sign(sign);
}

const joseSays = (token: string, key: KeyObject, alg: Alg): Promise<boolean> =>
  compactVerify(token, key, { algorithms: [alg] }).then(
    () => true,
    () => false,
  );

const signatures = fc.oneof(
  fc.constant((bytes: Buffer) => bytes),
  fc.nat().map((at) => (bytes: Buffer) => {
    const changed = Buffer.from(bytes);
    changed[at % bytes.length]! ^= 1 << (at % 8);
    return changed;
  }),
  fc
    .integer({ min: 0, max: 130 })
    .map((length) => (bytes: Buffer) => Buffer.concat([bytes, bytes, bytes]).subarray(0, length)),
  fc.uint8Array({ maxLength: 130 }).map((bytes) => () => Buffer.from(bytes)),
  fc.constantFrom(0, 255).map((fill) => (bytes: Buffer) => Buffer.alloc(bytes.length, fill)),
);

it.each(['HS256', 'ES256', 'Ed25519'] as const)(
  '%s: for good, changed, cut, padded and made-up signatures',
  async (alg) => {
    const seen = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(fc.object(), signatures, fc.boolean(), async (payload, change, own) => {
        const [key, other] = KEYS[alg];
        const token = await makeProof(alg, key.sign, payload);
        const [head, body, signature] = token.split('.') as [string, string, string];
        const changed = `${head}.${body}.${change(Buffer.from(signature, 'base64url')).toString('base64url')}`;
        const parsed = parseProof(changed);
        if (!parsed.ok) return;
        const material = own ? key.verify : other.verify;
        const expected = await joseSays(changed, material, alg);
        seen.add(expected);
        expect(verifySignature(parsed.proof as Proof, [{ key: clientKey, material }])).toBe(
          expected ? clientKey : undefined,
        );
      }),
      { numRuns: 300 },
    );
    expect(seen).toEqual(new Set([true, false]));
  },
);

it('without a candidate nothing verifies', async () => {
  for (const alg of ['HS256', 'ES256', 'Ed25519'] as const) {
    const parsed = parseProof(await makeProof(alg, KEYS[alg][0].sign, {}));
    expect(parsed.ok && verifySignature(parsed.proof, [])).toBeUndefined();
  }
});

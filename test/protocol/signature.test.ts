/**
 * Check 4 (signature) verifies with node:crypto on its own thread: its verdict equals jose's for any
 * signature.
 */
import {
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  verify as nodeVerifies,
  randomBytes,
  sign,
} from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify } from 'jose';
import { describe, expect, it } from 'vitest';
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
  '%s: good, changed, truncated, padded and invented signatures',
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

describe('ES256', () => {
  const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
  const bytes = (value: bigint) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
  const number = (value: Buffer) => BigInt(`0x${value.toString('hex')}`);
  const key = KEYS.ES256[0];

  /** A proof whose r and s match the predicates; each byte is zero once in 256 tries. */
  async function signedWith(wanted: (r: Buffer, s: Buffer) => boolean): Promise<[string, Buffer, Buffer]> {
    for (let i = 0; ; i++) {
      const token = await makeProof('ES256', key.sign, { i });
      const at = token.lastIndexOf('.');
      const signature = Buffer.from(token.slice(at + 1), 'base64url');
      const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
      if (wanted(r, s)) return [token.slice(0, at), r, s];
    }
  }

  /** @returns the verdict, after comparing it with jose's */
  async function verdict(input: string, ...signature: Buffer[]): Promise<boolean> {
    const token = `${input}.${Buffer.concat(signature).toString('base64url')}`;
    const parsed = parseProof(token);
    const candidate = { key: clientKey, material: key.verify };
    const ours = parsed.ok && verifySignature(parsed.proof, [candidate]) === clientKey;
    expect(ours).toBe(await joseSays(token, key.verify, 'ES256'));
    return ours;
  }

  it.each<[string, (r: Buffer, s: Buffer) => boolean]>([
    ['r begins with a zero', (r) => r[0] === 0],
    ['s begins with a zero', (_, s) => s[0] === 0],
    ['a zero stands before a high bit', (r, s) => [r, s].some((each) => each[0] === 0 && each[1]! >= 0x80)],
    ['a zero stands before a low bit', (r, s) => [r, s].some((each) => each[0] === 0 && each[1]! < 0x80)],
    ['both have the high bit', (r, s) => r[0]! >= 0x80 && s[0]! >= 0x80],
    ['neither has it', (r, s) => r[0]! < 0x80 && s[0]! < 0x80],
  ])('is verified if %s, but not without that zero', async (_, wanted) => {
    const [input, r, s] = await signedWith(wanted);
    expect(await verdict(input, r, s)).toBe(true);
    expect(await verdict(input, r.subarray(1), s)).toBe(false);
    expect(await verdict(input, r, s.subarray(1))).toBe(false);
    expect(await verdict(input, Buffer.alloc(1), r, Buffer.alloc(1), s)).toBe(false);
    expect(await verdict(input, s, r)).toBe(false);
  });

  it('with r or s outside 1 to n − 1 is refused', async () => {
    const [input, r, s] = await signedWith(() => true);
    const outside = [0n, 1n, N - 1n, N, N + 1n, P, (1n << 256n) - 1n].map(bytes);
    for (const each of outside) {
      expect(await verdict(input, each, s)).toBe(false);
      expect(await verdict(input, r, each)).toBe(false);
      for (const other of outside) expect(await verdict(input, each, other)).toBe(false);
    }
  });

  it('in DER is refused, although Node would verify it', async () => {
    const [input] = await signedWith(() => true);
    const der = sign('sha256', Buffer.from(input), key.sign);
    expect(nodeVerifies('sha256', Buffer.from(input), key.verify, der)).toBe(true);
    expect(await verdict(input, der)).toBe(false);
  });

  it('accepts s and n − s, as ECDSA does: nothing may rely on a proof having one signature', async () => {
    const [input, r, s] = await signedWith(() => true);
    expect(await verdict(input, r, bytes(N - number(s)))).toBe(true);
  });
});

it('without a candidate nothing verifies', async () => {
  for (const alg of ['HS256', 'ES256', 'Ed25519'] as const) {
    const parsed = parseProof(await makeProof(alg, KEYS[alg][0].sign, {}));
    expect(parsed.ok && verifySignature(parsed.proof, [])).toBeUndefined();
  }
});

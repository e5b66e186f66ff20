/** `countersign revoke`: the whole platform refuses what was revoked. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Platform, startPlatform } from '../../local/platform.ts';
import { buildProof } from '../../protocol/proof/build.ts';
import { Directory } from './cli.ts';

let platform: Platform;
const directory = new Directory();
const body = Buffer.from('{"user_id":"of-a-leaked-proof"}');

beforeAll(async () => {
  platform = await startPlatform({ port: 0 });
  directory.announce(platform.info);
});
afterAll(async () => {
  directory.remove();
  await platform?.stop();
});

const revoke = (...args: string[]) => directory.run(['revoke', ...args]);

async function makeProof(region: { url: string }): Promise<string> {
  const answer = await fetch(`${region.url}/v1/nonce?client_id=dev`);
  const { nonce } = (await answer.json()) as { nonce: string };
  return buildProof({
    key: Buffer.from(platform.info.clients[0]!.api_key),
    alg: 'HS256',
    kid: '1',
    clientId: 'dev',
    issuer: platform.info.entry,
    method: 'POST',
    url: `${region.url}/v1/register`,
    body,
    nonce,
    nowS: Date.now() / 1000,
    lifeS: 120,
  });
}

const send = async (region: { url: string }, proof: string): Promise<number> => {
  const headers = { Authorization: `JWT ${proof}`, 'Content-Type': 'application/json' };
  return (await fetch(`${region.url}/v1/register`, { method: 'POST', headers, body })).status;
};

test('a proof is revoked in the Region of its nonce, from a file or from standard input', async () => {
  const [a, b] = platform.info.regions;
  const proof = await makeProof(b!);
  directory.write('leaked.jwt', `${proof}\n`);
  expect((await revoke('proof', 'leaked.jwt')).stdout).toBe(
    'the proof is revoked in local-b; nobody can use it\n',
  );
  expect(await send(b!, proof)).toBe(401);
  const piped = await makeProof(a!);
  const { code, json } = await directory.run(['revoke', 'proof', '-', '--json'], { stdin: `JWT ${piped}\n` });
  expect([code, json]).toEqual([0, { outcome: 'revoked', region: 'local-a' }]);
  expect(await send(a!, piped)).toBe(401);
});

test.each(['A'.repeat(22), `-${'B'.repeat(21)}`])('a token is revoked in every Region: %s', async (jti) => {
  const { code, stdout } = await revoke('token', jti);
  expect([code, stdout]).toEqual([0, `token ${jti} is revoked: local-a, local-b\n`]);
  const { json } = await revoke('token', jti, '--json');
  expect(json).toEqual({ token: { jti }, confirmed: ['local-a', 'local-b'], failed: [] });
});

test('a token is named by its jti: the token itself is refused, and not sent on', async () => {
  const { code, stderr } = await revoke('token', 'eyJhbGciOiJFUzI1NiJ9.e30.AA');
  expect([code, stderr]).toEqual([1, expect.stringContaining('22 characters')]);
});

test('a proof that was already used is not revoked, and the command fails', async () => {
  const [a] = platform.info.regions;
  const proof = await makeProof(a!);
  expect(await send(a!, proof)).toBe(201);
  directory.write('used.jwt', proof);
  const { code, stdout, stderr } = await revoke('proof', 'used.jwt');
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: too late: .*\n$/);
});

test.each([
  ['nonsense', 'this is not a proof'],
  [`${Buffer.from('{}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`, 'has no nonce'],
  [`e30.${Buffer.from('{"nonce":"AAAA"}').toString('base64url')}.`, 'not from a Countersign platform'],
])('what is no proof with a nonce is refused in one line (%#)', async (text, message) => {
  directory.write('wrong.jwt', text);
  const { code, stderr } = await revoke('proof', 'wrong.jwt');
  expect(code).toBe(2);
  expect(stderr).toMatch(/^error: .*\n$/);
  expect(stderr).toContain(message);
});

test('a missing file is reported', async () => {
  expect(await revoke('proof', 'missing.jwt')).toMatchObject({
    code: 2,
    stderr: 'error: there is no file missing.jwt\n',
  });
});

test('a key is revoked through every Region, and the output names the revoked keys', async () => {
  await directory.run(['clients', 'create', 'leaky']);
  await directory.run(['clients', 'rotate-key', 'leaky']);
  expect((await revoke('key', 'leaky', '1')).stdout).toBe('key 1 of leaky revoked: local-a, local-b\n');
  const { json } = await revoke('key', 'leaky', '2', '--json');
  expect(json).toMatchObject({
    client: {
      keys: [
        { kid: '1', revoked: true },
        { kid: '2', revoked: true },
      ],
    },
    confirmed: ['local-a', 'local-b'],
    failed: [],
  });
  expect((await directory.run(['clients', 'show', 'leaky'])).stdout).toMatch(
    /^1 +HS256 +operator .* revoked$/m,
  );
  expect(await revoke('key', 'leaky', '9')).toMatchObject({ code: 1, stdout: '' });
});

test.each(['-', '-V', '--', '-h'])(
  'a thumbprint that begins with %j is a kid, not an option',
  async (start) => {
    await directory.run(['clients', 'create', 'paired']);
    const kid = start.padEnd(43, 'x');
    for (const args of [
      ['paired', kid, '--json'],
      ['paired', '--json', kid],
      ['paired', '--json', '--', kid],
    ]) {
      const { code, stdout, stderr } = await revoke('key', ...args);
      expect({ code, failed: JSON.parse(stdout).failed.length }).toEqual({ code: 1, failed: 2 });
      expect(stderr).toContain(kid);
    }
  },
);

test('revoking a client disables it', async () => {
  await directory.run(['clients', 'create', 'bad-actor']);
  expect((await revoke('client', 'bad-actor')).stdout).toBe('bad-actor is disabled: local-a, local-b\n');
  expect((await revoke('client', 'nobody-here')).code).toBe(1);
});

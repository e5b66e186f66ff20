/** Signatures are those that the Smithy signer makes, which signs any request. */
import { Sha256 } from '@smithy/core/checksum';
import { SignatureV4 } from '@smithy/signature-v4';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Signer } from '../../../lambda/adapters/aws/signature.ts';

const token = fc.stringMatching(/^[A-Za-z0-9/+=]{1,60}$/);
const request = fc.record({
  service: fc.constantFrom('dynamodb', 'secretsmanager'),
  region: fc.constantFrom('eu-west-1', 'us-gov-west-1'),
  credentials: fc.record(
    { accessKeyId: token, secretAccessKey: token, sessionToken: token },
    { requiredKeys: ['accessKeyId', 'secretAccessKey'] },
  ),
  host: fc.constantFrom('dynamodb.eu-west-1.amazonaws.com', '127.0.0.1:4150', '[::1]:1'),
  path: fc.constantFrom('/', '/below/'),
  contentType: fc.constantFrom('application/x-amz-json-1.0', 'application/x-amz-json-1.1'),
});
const day = (date: string) =>
  fc.date({ noInvalidDate: true, min: new Date(`${date}T00:00:00Z`), max: new Date(`${date}T23:59:59Z`) });
const call = fc.record({
  target: fc.constantFrom('DynamoDB_20120810.PutItem', 'secretsmanager.GetSecretValue'),
  body: fc.string({ unit: 'grapheme' }),
  // Two days: a key is kept for one.
  at: fc.oneof(day('2026-11-28'), day('2026-11-29')),
});

it('for any calls in any order', async () => {
  await fc.assert(
    fc.asyncProperty(request, fc.array(call, { minLength: 1, maxLength: 6 }), async (options, calls) => {
      const { service, region, credentials, path } = options;
      const own = new Signer(options as ConstructorParameters<typeof Signer>[0]);
      const smithy = new SignatureV4({
        ...{ service, region, credentials, sha256: Sha256, applyChecksum: false },
      } as ConstructorParameters<typeof SignatureV4>[0]);
      for (const { target, body, at } of calls) {
        const { Authorization, ...headers } = own.sign(target, body, at.getTime());
        const lower = Object.fromEntries(
          Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
        );
        const asked = {
          method: 'POST',
          protocol: 'https:',
          hostname: 'x',
          path,
          query: {},
          headers: lower,
          body,
        };
        const signed = await smithy.sign(asked, { signingDate: at });
        expect(signed.headers).toEqual({ ...lower, authorization: Authorization });
      }
    }),
  );
});

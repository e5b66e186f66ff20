/** The fake platform and the real one, on one machine: the same suite. */
import { randomUUID } from 'node:crypto';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Platform, startPlatform } from '../../../local/platform.ts';
import { FakePlatform } from '../../../sdk/typescript/testing/index.ts';
import { contract, type Subject } from './contract.ts';

const TWO_WEEKS_S = 14 * 24 * 3600;

describe('a platform in memory', () => {
  let subject: Subject;
  beforeAll(async () => {
    const platform = new FakePlatform();
    subject = {
      ...{ url: platform.url, apiKey: platform.apiKey, fetch: platform.fetch },
      basicApiKey: await platform.addClient('basic', { profile: 'basic' }),
      endingApiKey: await platform.addClient('ending', { expiresInS: TWO_WEEKS_S - 60 }),
      addKeyPair: async (clientId, jwk) => void (await platform.addClient(clientId, { jwk })),
      addLimited: (limit) => platform.addClient(`limited-${randomUUID().slice(0, 8)}`, { limit }),
    };
  });
  contract(() => subject);
});

describe('the platform on this machine', () => {
  let platform: Platform;
  let subject: Subject;
  beforeAll(async () => {
    platform = await startPlatform({ port: 0 });
    const [strict, basic] = platform.info.clients;
    const ending = new Date(Date.now() + (TWO_WEEKS_S - 60) * 1000).toISOString();
    subject = {
      ...{ url: platform.info.entry, apiKey: strict!.api_key, basicApiKey: basic!.api_key },
      endingApiKey: await create({ client_id: 'ending', profile: 'strict', expires_at: ending }),
      fetch: globalThis.fetch,
      addKeyPair: async (client_id, jwk) => void (await create({ client_id, profile: 'strict', jwk })),
      addLimited: (limit) =>
        create({ client_id: `limited-${randomUUID().slice(0, 8)}`, profile: 'strict', limit }),
    };
  });
  afterAll(() => platform?.stop());
  contract(() => subject);

  async function create(params: object): Promise<string> {
    const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
    const lambda = new LambdaClient({ endpoint: platform.info.awsEndpoint, region: 'local-a', credentials });
    const Payload = JSON.stringify({ action: 'clients.create', params });
    const answer = await lambda.send(
      new InvokeCommand({ FunctionName: 'countersign-local-admin-write', Payload }),
    );
    lambda.destroy();
    const { ok, result, problem } = JSON.parse(answer.Payload!.transformToString());
    if (!ok) throw new Error(JSON.stringify(problem));
    return result.api_key ?? '';
  }
});

/** The real functions over stores in memory, behind the same server as everything else that is measured. */
import { randomUUID } from 'node:crypto';
import type { Dynamodb } from '../../lambda/adapters/aws/commands.ts';
import { dynamodbClient } from '../../lambda/adapters/aws.ts';
import { sdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import type { AdminActions } from '../../lambda/contract/admin.ts';
import { tableKinds } from '../../lambda/contract/names.ts';
import { servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import { createFunctions } from '../../lambda/entry/compose/serving.ts';
import { compileSchema } from '../../lambda/schema/compile.ts';
import defaultSchema from '../../lambda/schema/default.json' with { type: 'json' };
import { createTables, STAGE } from '../../local/stage.ts';
import { createKeysets } from '../store/keysets.ts';
import { memoryDynamodb } from '../store/memory-dynamodb.ts';
import { memorySecrets } from '../store/memory-secrets.ts';
import { answerAsks } from './ask.ts';
import { serveFunctions } from './function-server.ts';
import { gauges } from './gauges.ts';
import { listen } from './server.ts';

const ISSUER = 'https://api.example.com';
const REGION = 'eu-west-1';

let calls: Record<string, number> = {};
/** Where writes of ledger and registry go: into memory, or by HTTP. */
let writer: Dynamodb | undefined;
const memory = memoryDynamodb((operation, table) => {
  const kind = `${operation} ${table}`;
  calls[kind] = (calls[kind] ?? 0) + 1;
});
const dynamodb: Dynamodb = {
  send: (command) =>
    (writer && command.operation === 'PutItem' ? writer : (memory as Dynamodb)).send(command),
};
const secrets = memorySecrets();
await createTables(memory, [...tableKinds('global'), ...tableKinds('region')]);
await createKeysets(secrets, STAGE, Date.now());

let functions: ReturnType<typeof createFunctions>;
const url = await listen((own) => {
  const env = servingEnvironment({
    stage: STAGE,
    region: REGION,
    baseUrl: own,
    entryUrl: ISSUER,
    regions: [{ name: REGION, url: own }],
    consistency: 'strong',
  });
  // Neither side of the comparison writes a log.
  const runtime = { env, log: () => {}, nowMs: Date.now, dynamodb, secrets };
  functions = createFunctions(runtime, compileSchema(defaultSchema));
  return serveFunctions({ '/v1/nonce': functions.nonce, '/v1/register': functions.register });
});

const made: { [store: string]: Dynamodb | undefined } = {};

answerAsks({
  ...gauges(),
  url: () => url,
  issuer: () => ISSUER,
  async createClient(params: AdminActions['clients.create']['params']) {
    const event = { action: 'clients.create', params };
    const answer = await functions['admin-write'](event, { awsRequestId: randomUUID() });
    if (!answer.ok) throw new Error(answer.problem.detail);
    return answer.result;
  },
  /** Sends the writes of requests to a store at `url`, by one of the clients. */
  writeTo({ store, url }: { store: 'memory' | 'own' | 'sdk'; url: string }) {
    const options = {
      endpoint: url,
      region: REGION,
      credentials: { accessKeyId: 'ASIAEXAMPLEEXAMPLE12', secretAccessKey: 's'.repeat(40) },
    };
    const make = { memory: () => undefined, own: dynamodbClient, sdk: sdkDynamodb };
    made[store] ??= make[store](options);
    writer = made[store];
  },
  /** @returns how often each kind of call was made since the last time */
  calls() {
    const made = calls;
    calls = {};
    return made;
  },
});

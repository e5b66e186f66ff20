/**
 * DynamoDB by embedded engines: one for the tables of each Region's own, one for the global tables that every
 * Region shares (as a strongly consistent global table behaves). The table's name in the request decides.
 */
import { Readable } from 'node:stream';
import dynalite from 'dynalite';
import type { AwsService } from './endpoint.ts';
import { type AwsAnswer, type AwsRequest, awsJson, parseJsonObject, targetOperation } from './protocol.ts';

/** An engine in memory, asked in the DynamoDB protocol; it listens nowhere. */
export interface DynamoEngine {
  ask(request: AwsRequest): Promise<AwsAnswer>;
}

export function startDynamoEngine(): DynamoEngine {
  const server = dynalite({ createTableMs: 0, deleteTableMs: 0 });
  return {
    ask: ({ headers, body }) =>
      new Promise((resolve) => {
        const request = Object.assign(Readable.from([body]), { method: 'POST', url: '/', headers });
        // Of a response the engine uses these three and the status.
        const sent: Record<string, string> = {};
        const response = {
          statusCode: 200,
          setHeader: (name: string, value: unknown) => {
            sent[name] = String(value);
          },
          end: (text = '') => resolve({ status: response.statusCode, headers: sent, body: text }),
        };
        server.emit('request', request, response);
      }),
  };
}

/** @param isGlobal whether a table's items are every Region's */
export function dynamodbService(
  own: DynamoEngine,
  shared: DynamoEngine,
  isGlobal: (table: string) => boolean,
): AwsService {
  return async (request) => {
    const operation = targetOperation(request);
    const input = parseJsonObject(request.body);
    if (operation === 'ListTables') return listTables(request, input, [own, shared]);
    return (isGlobal(tableOf(operation, input)) ? shared : own).ask(request);
  };
}

/** Batches are of one table here: none of ours spans two. */
function tableOf(
  operation: string,
  { TableName, RequestItems, ResourceArn }: Record<string, unknown>,
): string {
  if (operation.startsWith('Batch')) return Object.keys(RequestItems ?? {})[0] ?? '';
  return String(
    TableName ??
      String(ResourceArn ?? '')
        .split('/')
        .at(-1),
  );
}

async function listTables(
  request: AwsRequest,
  { Limit = 100, ExclusiveStartTableName: after = '' }: Record<string, unknown>,
  engines: readonly DynamoEngine[],
): Promise<AwsAnswer> {
  const whole = { ...request, body: Buffer.from('{}') };
  const answers = await Promise.all(engines.map((engine) => engine.ask(whole)));
  const failed = answers.find(({ status }) => status !== 200);
  if (failed) return failed;
  const names = answers.flatMap(({ body }) => JSON.parse(body).TableNames as string[]).sort();
  const rest = names.filter((name) => name > String(after));
  const page = rest.slice(0, Number(Limit));
  const more = page.length < rest.length && { LastEvaluatedTableName: page.at(-1) };
  return awsJson('1.0', 200, { TableNames: page, ...more });
}

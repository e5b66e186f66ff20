/** One Region's DynamoDB with its streams, in their own protocol, over the store that all Regions share. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Dynamodb, isWrite } from '../dynamodb/dynamodb.ts';
import { DynamodbException } from '../dynamodb/exception.ts';
import { StrongTable } from '../dynamodb/strong-table.ts';
import type { AwsService } from './endpoint.ts';
import { awsJson, parseJsonObject, targetOperation } from './protocol.ts';

/**
 * @param strongWriteMs how long a write of a strongly consistent table takes; other Regions may begin to
 * write meanwhile
 */
export function dynamodbService(store: Dynamodb, region: string, strongWriteMs: number): AwsService {
  return async (request) => {
    const operation = targetOperation(request);
    const input = parseJsonObject(request.body);
    try {
      return awsJson('1.0', 200, await ask(operation, input));
    } catch (error) {
      if (!(error instanceof DynamodbException)) throw error;
      const __type = `com.amazonaws.dynamodb.v20120810#${error.name}`;
      return awsJson('1.0', error.status, { __type, message: error.message, ...error.beside });
    }
  };

  async function ask(operation: string, input: Record<string, unknown>): Promise<object> {
    if (!isWrite(operation) || !isStrong(input.TableName)) return store.ask(region, operation, input);
    const write = store.begin(region, operation, input);
    await delay(strongWriteMs);
    return write.commit();
  }

  function isStrong(table: unknown): boolean {
    return typeof table === 'string' && store.table(region, table) instanceof StrongTable;
  }
}

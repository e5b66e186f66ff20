/** One Region's DynamoDB, in its own protocol, over the store that all Regions share. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Dynamodb, isWrite } from '../dynamodb/dynamodb.ts';
import { DynamodbException } from '../dynamodb/exception.ts';
import type { AwsService } from './endpoint.ts';
import { awsJson, parseJsonObject, targetOperation } from './protocol.ts';

/** @param writeMs how long a write takes, in milliseconds; other writes may begin meanwhile */
export function dynamodbService(
  store: Dynamodb,
  region: string,
  writeMs: () => number = () => 0,
): AwsService {
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
    const ms = writeMs();
    if (!isWrite(operation) || ms === 0) return store.ask(region, operation, input);
    const write = store.begin(region, operation, input);
    await delay(ms);
    return write.commit();
  }
}

/**
 * A DynamoDB client for the adapters that calls the store directly: nothing is serialised, signed or sent.
 */
import type { SdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import type { Dynamodb } from './dynamodb.ts';
import { DynamodbException } from './exception.ts';

interface Command {
  readonly constructor: { readonly name: string };
  readonly input: { readonly TableName?: string };
}

/** Carries a call to the store. It decides when the call arrives, and whether the answer comes back. */
export interface Call {
  readonly region: string;
  readonly operation: string;
  readonly input: { readonly TableName?: string };
}
export type Carry = (call: Call, store: Dynamodb) => Promise<object>;

const atOnce: Carry = async ({ region, operation, input }, store) => store.ask(region, operation, input);

export function dynamodbClientOn(store: Dynamodb, region: string, carry: Carry = atOnce): SdkDynamodb {
  const send = async (command: Command) => {
    const operation = command.constructor.name.replace(/Command$/, '');
    try {
      return structuredClone(await carry({ region, operation, input: command.input }, store));
    } catch (error) {
      if (!(error instanceof DynamodbException)) throw error;
      throw Object.assign(error, { $fault: error.status < 500 ? 'client' : 'server', ...error.beside });
    }
  };
  return { send, destroy: () => {} } as unknown as SdkDynamodb;
}

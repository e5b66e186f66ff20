/**
 * The operations of DynamoDB and Secrets Manager that the functions use, as commands with the names, inputs
 * and outputs of the AWS SDK's. Only types come from the SDK: no bundle of the request path holds it.
 */
import type {
  DeleteItemCommandInput,
  DeleteItemCommandOutput,
  DescribeTableCommandInput,
  DescribeTableCommandOutput,
  GetItemCommandInput,
  GetItemCommandOutput,
  PutItemCommandInput,
  PutItemCommandOutput,
  QueryCommandInput,
  QueryCommandOutput,
  ScanCommandInput,
  ScanCommandOutput,
  UpdateItemCommandInput,
  UpdateItemCommandOutput,
} from '@aws-sdk/client-dynamodb';
import type { GetSecretValueCommandInput } from '@aws-sdk/client-secrets-manager';

export interface AwsCommand<Output> {
  /** As AWS names it, e.g. `PutItem`. */
  readonly operation: string;
  readonly input: object;
  /** Only a type: no command has it. */
  readonly output?: Output;
}

/** DynamoDB as the adapters see it. */
export interface Dynamodb {
  /** @throws Error with the name of AWS's exception, e.g. `ConditionalCheckFailedException` */
  send<Output>(command: AwsCommand<Output>): Promise<Output>;
}

/** Secrets Manager as the request path sees it. */
export interface Secrets {
  send(command: GetSecretValueCommand): Promise<SecretValue>;
}

export interface SecretValue {
  readonly SecretString?: string | undefined;
}

const command = <Input extends object, Output>(operation: string) =>
  class implements AwsCommand<Output> {
    readonly operation = operation;
    readonly input: Input;
    declare readonly output?: Output;

    constructor(input: Input) {
      this.input = input;
    }
  };

export class GetItemCommand extends command<GetItemCommandInput, GetItemCommandOutput>('GetItem') {}
export class PutItemCommand extends command<PutItemCommandInput, PutItemCommandOutput>('PutItem') {}
export class UpdateItemCommand extends command<UpdateItemCommandInput, UpdateItemCommandOutput>(
  'UpdateItem',
) {}
export class DeleteItemCommand extends command<DeleteItemCommandInput, DeleteItemCommandOutput>(
  'DeleteItem',
) {}
export class DescribeTableCommand extends command<DescribeTableCommandInput, DescribeTableCommandOutput>(
  'DescribeTable',
) {}
export class QueryCommand extends command<QueryCommandInput, QueryCommandOutput>('Query') {}
export class ScanCommand extends command<ScanCommandInput, ScanCommandOutput>('Scan') {}
export class GetSecretValueCommand extends command<GetSecretValueCommandInput, SecretValue>(
  'GetSecretValue',
) {}

/** An error by the name that DynamoDB gives it. */
export class DynamodbException extends Error {
  readonly status: number;
  /** Members beside the message, such as `Item` of a failed condition. */
  readonly beside: Readonly<Record<string, unknown>>;

  constructor(name: string, message: string, status = 400, beside: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = name;
    this.status = status;
    this.beside = beside;
  }
}

export const validation = (message: string): DynamodbException =>
  new DynamodbException('ValidationException', message);

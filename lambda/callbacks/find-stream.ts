/**
 * A custom resource of CloudFormation: the stream of this Region's replica of a table. CloudFormation gives
 * the stream of the Region that creates the table, and no other, and a mapping needs a whole ARN. A stream
 * that was turned on for it stays on.
 */
import type { Log } from '../log.ts';
import { describeError } from '../log.ts';

/** What CloudFormation sends (AWS CloudFormation user guide, "Custom resource request objects"). */
export interface FindStreamRequest {
  readonly RequestType: 'Create' | 'Update' | 'Delete';
  readonly ResponseURL: string;
  readonly StackId: string;
  readonly RequestId: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResourceProperties: { readonly TableName?: string };
}

export interface FindStreamOptions {
  /** @returns ARN of the stream of a table in this Region; undefined where it has none */
  readonly streamOf: (table: string) => Promise<string | undefined>;
  /** Sends CloudFormation its answer. */
  readonly answer: (url: string, body: string) => Promise<void>;
  readonly region: string;
  readonly log: Log;
}

export const findStreamHandler =
  ({ streamOf, answer, region, log }: FindStreamOptions) =>
  async (request: FindStreamRequest): Promise<void> => {
    const { StackId, RequestId, LogicalResourceId, ResponseURL, ResourceProperties } = request;
    const { TableName = '' } = ResourceProperties;
    const common = {
      ...{ StackId, RequestId, LogicalResourceId },
      // The name never changes with the stream: CloudFormation has nothing to replace.
      PhysicalResourceId: request.PhysicalResourceId ?? LogicalResourceId,
    };
    const send = (outcome: object) => answer(ResponseURL, JSON.stringify({ ...common, ...outcome }));
    // A deletion never fails: nothing was made.
    if (request.RequestType === 'Delete') return send({ Status: 'SUCCESS' });
    let StreamArn: string | undefined;
    try {
      StreamArn = await streamOf(TableName);
    } catch (error) {
      const described = describeError(error);
      log({ level: 'ERROR', message: 'outbox', region, reason: 'stream', ...described });
      const Reason = `the stream of ${TableName} is neither found nor turned on in ${region}: ${described.error}`;
      return send({ Status: 'FAILED', Reason });
    }
    return send(
      StreamArn === undefined
        ? { Status: 'FAILED', Reason: `${TableName} has no stream in ${region}: deploy the home stack first` }
        : { Status: 'SUCCESS', Data: { StreamArn } },
    );
  };

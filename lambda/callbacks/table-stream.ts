/**
 * The stream of this Region's replica of a table. In eventual mode each replica has one. In strong mode it is
 * a setting of each replica, and the home stack turns it on where it makes the table (docs/aws-truths.md,
 * "Streams"). So it is turned on here where it is off.
 */
import { LONGEST_SEARCH_MS } from '../contract/defaults.ts';

/** What DescribeTable says, as far as it matters here. */
export interface DescribedTable {
  readonly TableStatus?: string | undefined;
  readonly MultiRegionConsistency?: string | undefined;
  readonly StreamSpecification?: { readonly StreamEnabled?: boolean | undefined } | undefined;
  readonly LatestStreamArn?: string | undefined;
}

export interface TableStreams {
  /** @throws errors by the names that DynamoDB gives them; so does `turnOn` */
  describe(table: string): Promise<DescribedTable>;
  turnOn(table: string): Promise<void>;
  readonly nowMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
}

export const STREAM_VIEW = 'NEW_AND_OLD_IMAGES';
const PAUSE_MS = 2_000;
/** A change of tables changes the function's rights some seconds before it is called. */
const RIGHTS_MS = 30_000;
/** Another change of the table is under way. */
const BUSY = ['ResourceInUseException', 'LimitExceededException', 'ThrottlingException'];

/** @returns its ARN; undefined where the home stack did not turn it on @throws what the calls throw */
export async function streamOf(
  table: string,
  { describe, turnOn, nowMs, sleep }: TableStreams,
): Promise<string | undefined> {
  const startMs = nowMs();
  let isTurnedOn = false;
  for (;;) {
    const isOver = () => nowMs() - startMs >= LONGEST_SEARCH_MS;
    try {
      const found = await describe(table);
      const isReady = found.TableStatus === 'ACTIVE';
      // The name of a stream that was turned off remains.
      const streamArn = found.StreamSpecification?.StreamEnabled ? found.LatestStreamArn : undefined;
      if (streamArn !== undefined && (isReady || !isTurnedOn)) return streamArn;
      if (streamArn === undefined && found.MultiRegionConsistency !== 'STRONG') return undefined;
      if (isOver()) throw new Error('the stream was not turned on in time');
      if (streamArn === undefined && isReady && !isTurnedOn) {
        await turnOn(table);
        isTurnedOn = true;
      }
    } catch (error) {
      const { name } = error as Error;
      const isEarly = name === 'AccessDeniedException' && nowMs() - startMs < RIGHTS_MS;
      if (!isEarly && (!BUSY.includes(name) || isOver())) throw error;
    }
    await sleep(PAUSE_MS);
  }
}

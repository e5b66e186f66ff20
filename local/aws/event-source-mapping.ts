/**
 * Lambda's event source mapping on a DynamoDB stream: it reads from TRIM_HORIZON, one batch per shard at a
 * time and a parent shard before its children, and calls the function until it has handled every record, or
 * the record is older than MaximumRecordAgeInSeconds. Of a record that its stream has forgotten it says
 * nothing (docs/aws-truths.md, "Streams"). ReportBatchItemFailures and BisectBatchOnFunctionError are on. It
 * has no clock and no timer of its own: the caller decides when a shard makes its next step.
 */
import { RECORD_LIFE_MS } from '../dynamodb/stream.ts';
import type { StreamOperation, WireRecord } from '../dynamodb/stream-operations.ts';

/** One record of the event that the function gets. */
export interface StreamEventRecord extends Omit<WireRecord, 'userIdentity'> {
  readonly eventSourceARN: string;
  readonly userIdentity?: { readonly type: string; readonly principalId: string };
}

export interface StreamEvent {
  readonly Records: readonly StreamEventRecord[];
}

/** What the on-failure destination gets: which records were given up, but not the records. */
export interface Discarded {
  readonly shardId: string;
  readonly startSequenceNumber: string;
  readonly endSequenceNumber: string;
  readonly batchSize: number;
}

export interface EventSourceMappingOptions {
  readonly streamArn: string;
  readonly batchSize: number;
  /** MaximumRecordAgeInSeconds, in milliseconds. */
  readonly maxAgeMs: number;
  /** Calls DynamoDB Streams. It may throw the service's errors. */
  readonly ask: (operation: StreamOperation, input: object) => Promise<object>;
  /** Calls the function. */
  readonly invoke: (event: StreamEvent) => Promise<unknown>;
  readonly onFailure: (discarded: Discarded) => void;
  readonly nowMs: () => number;
}

export interface ListedShard {
  readonly ShardId: string;
  readonly ParentShardId?: string;
}

/** How far a shard was handled. A restart does not lose it. */
interface Progress {
  /** Sequence number of the last record that is done with. */
  after: string | undefined;
  isDone: boolean;
}

/** What a restart loses. */
interface Memory {
  isBusy: boolean;
  iterator: string | undefined;
  /** Whether the shard has no records after those in `batches`. */
  hasEnded: boolean;
  /** Batches that were read and not handled, in order. */
  batches: (readonly WireRecord[])[];
}

export class EventSourceMapping {
  readonly #options: EventSourceMappingOptions;
  readonly #progress = new Map<string, Progress>();
  readonly #memories = new Map<string, Memory>();
  /** The shards of all lists so far, but those that have expired. */
  readonly #known = new Set<string>();

  constructor(options: EventSourceMappingOptions) {
    this.#options = options;
  }

  /** @returns the shards that can make a step @throws what `ask` throws */
  async readable(): Promise<string[]> {
    const known = new Set(this.#known);
    const shards = await this.#list();
    const listed = new Set(shards.map(({ ShardId }) => ShardId));
    for (const id of listed) this.#known.add(id);
    const isGone = (id: string) => known.has(id) && !listed.has(id);
    for (const id of [...known].filter(isGone)) {
      this.#known.delete(id);
      this.#progress.delete(id);
      this.#memories.delete(id);
    }
    return shards
      .filter((shard) => !this.#isDone(shard.ShardId) && this.mayStart(shard, listed, known))
      .map(({ ShardId }) => ShardId);
  }

  /** Reads a batch of the shard, or takes one to try again, and calls the function. @throws as `readable` */
  async step(shardId: string): Promise<void> {
    const memory = this.#memoryOf(shardId);
    if (memory.isBusy) return;
    memory.isBusy = true;
    try {
      if (memory.batches.length === 0) await this.#read(shardId, memory);
      const batch = memory.batches.shift();
      if (batch && this.#isCurrent(shardId, memory)) await this.#handle(shardId, memory, batch);
      const isOver = memory.hasEnded && memory.batches.length === 0;
      if (isOver && this.#isCurrent(shardId, memory)) this.#progressOf(shardId).isDone = true;
    } finally {
      memory.isBusy = false;
    }
  }

  /** As after a crash: what was under way counts for nothing, and its batches are read and sent again. */
  restart(): void {
    this.#memories.clear();
  }

  /**
   * A child waits for its parent, unless the parent has expired and is listed no more. A list comes in pages
   * and is not of one moment: it can hold a new child and lack its parent, which is as new. So a parent has
   * expired only if the child was known before this list began.
   */
  protected mayStart(
    { ShardId, ParentShardId }: ListedShard,
    listed: ReadonlySet<string>,
    known: ReadonlySet<string>,
  ): boolean {
    if (ParentShardId === undefined || this.#isDone(ParentShardId)) return true;
    return !listed.has(ParentShardId) && known.has(ShardId);
  }

  /** @returns where to read on, for GetShardIterator */
  protected positionAfter(sequenceNumber: string | undefined): object {
    return sequenceNumber === undefined
      ? { ShardIteratorType: 'TRIM_HORIZON' }
      : { ShardIteratorType: 'AFTER_SEQUENCE_NUMBER', SequenceNumber: sequenceNumber };
  }

  async #list(): Promise<ListedShard[]> {
    const shards: ListedShard[] = [];
    let after: string | undefined;
    do {
      const { StreamDescription } = (await this.#options.ask('DescribeStream', {
        StreamArn: this.#options.streamArn,
        ...(after !== undefined && { ExclusiveStartShardId: after }),
      })) as { StreamDescription: { Shards: ListedShard[]; LastEvaluatedShardId?: string } };
      shards.push(...StreamDescription.Shards);
      after = StreamDescription.LastEvaluatedShardId;
    } while (after !== undefined);
    return shards;
  }

  async #read(shardId: string, memory: Memory): Promise<void> {
    const { streamArn: StreamArn, batchSize: Limit, ask } = this.#options;
    const progress = this.#progressOf(shardId);
    try {
      memory.iterator ??= (
        (await ask('GetShardIterator', {
          ...{ StreamArn, ShardId: shardId },
          ...this.positionAfter(progress.after),
        })) as { ShardIterator: string }
      ).ShardIterator;
      const { Records, NextShardIterator } = (await ask('GetRecords', {
        ...{ ShardIterator: memory.iterator, Limit },
      })) as { Records: WireRecord[]; NextShardIterator?: string };
      memory.iterator = NextShardIterator;
      memory.hasEnded = NextShardIterator === undefined;
      if (Records.length > 0) memory.batches.push(Records);
    } catch (error) {
      memory.iterator = undefined;
      if (!this.#isCurrent(shardId, memory)) return;
      const { name } = error as Error;
      // The records up to the trim point are lost. What is left of the shard is read.
      if (name === 'TrimmedDataAccessException') progress.after = undefined;
      else if (name === 'ResourceNotFoundException') memory.hasEnded = true;
      else if (name !== 'ExpiredIteratorException') throw error;
    }
  }

  async #handle(shardId: string, memory: Memory, batch: readonly WireRecord[]): Promise<void> {
    const { invoke, streamArn } = this.#options;
    const fresh = this.#withoutExpired(shardId, batch);
    if (fresh.length === 0) return;
    const handled = await invoke({ Records: fresh.map((record) => eventRecord(record, streamArn)) }).then(
      (answer) => handledOf(answer, fresh),
      () => undefined,
    );
    if (!this.#isCurrent(shardId, memory)) return;
    if (handled === undefined) {
      memory.batches.unshift(...halves(fresh));
      return;
    }
    if (handled > 0) this.#progressOf(shardId).after = fresh[handled - 1]!.dynamodb.SequenceNumber;
    if (handled < fresh.length) memory.batches.unshift(fresh.slice(handled));
  }

  #withoutExpired(shardId: string, batch: readonly WireRecord[]): readonly WireRecord[] {
    const { nowMs, onFailure, maxAgeMs } = this.#options;
    const older = (ageMs: number): number => {
      const sinceS = (nowMs() - ageMs) / 1000;
      const first = batch.findIndex(({ dynamodb }) => dynamodb.ApproximateCreationDateTime > sinceS);
      return first === -1 ? batch.length : first;
    };
    const [forgotten, count] = [older(RECORD_LIFE_MS), older(Math.min(maxAgeMs, RECORD_LIFE_MS))];
    if (count === 0) return batch;
    const numbers = batch.slice(0, count).map(({ dynamodb }) => dynamodb.SequenceNumber);
    const endSequenceNumber = numbers.at(-1)!;
    this.#progressOf(shardId).after = endSequenceNumber;
    if (forgotten < count) {
      const startSequenceNumber = numbers[forgotten]!;
      onFailure({ shardId, startSequenceNumber, endSequenceNumber, batchSize: count - forgotten });
    }
    return batch.slice(count);
  }

  #isDone(shardId: string): boolean {
    return this.#progress.get(shardId)?.isDone === true;
  }

  #progressOf(shardId: string): Progress {
    const held = this.#progress.get(shardId) ?? { after: undefined, isDone: false };
    this.#progress.set(shardId, held);
    return held;
  }

  #memoryOf(shardId: string): Memory {
    const held = this.#memories.get(shardId) ?? {
      ...{ isBusy: false, iterator: undefined, hasEnded: false, batches: [] },
    };
    this.#memories.set(shardId, held);
    return held;
  }

  /** Whether the mapping did not restart in between. */
  #isCurrent(shardId: string, memory: Memory): boolean {
    return this.#memories.get(shardId) === memory;
  }
}

function eventRecord({ userIdentity, ...record }: WireRecord, eventSourceARN: string): StreamEventRecord {
  const identity = userIdentity && {
    userIdentity: { type: userIdentity.Type, principalId: userIdentity.PrincipalId },
  };
  return { ...record, eventSourceARN, ...identity };
}

/** @returns how many records were handled, from the first on; undefined if all count as failed */
function handledOf(answer: unknown, batch: readonly WireRecord[]): number | undefined {
  const { batchItemFailures } = (answer ?? {}) as {
    batchItemFailures?: { itemIdentifier?: string }[] | null;
  };
  const failed = (batchItemFailures ?? []).map(({ itemIdentifier }) =>
    batch.findIndex(({ dynamodb }) => dynamodb.SequenceNumber === itemIdentifier),
  );
  return failed.includes(-1) ? undefined : Math.min(batch.length, ...failed);
}

function halves<T>(batch: readonly T[]): (readonly T[])[] {
  const middle = Math.ceil(batch.length / 2);
  return batch.length === 1 ? [batch] : [batch.slice(0, middle), batch.slice(middle)];
}

/**
 * The local platform with its own limits taken out: a write takes no time, and no health check interrupts.
 * It counts what its AWS endpoint receives.
 */
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { BatchWriteItemCommand } from '@aws-sdk/client-dynamodb';
import { sdkDynamodb } from '../../lambda/adapters/aws-sdk.ts';
import { tableName } from '../../lambda/contract/names.ts';
import { startPlatform } from '../../local/platform.ts';
import { STAGE } from '../../local/stage.ts';
import { answerAsks } from './ask.ts';
import { gauges } from './gauges.ts';

/** Items of one request: more than DynamoDB takes, which the local store does not limit. */
const BATCH = 1_000;
const NEVER_MS = 3_600_000;

export interface Received {
  /** By operation. */
  readonly calls: Readonly<Record<string, number>>;
  /** Calls that were not answered 200, by operation. */
  readonly refused: Readonly<Record<string, number>>;
  /** Bytes on the endpoint's sockets, in both directions. */
  readonly bytes: number;
}

const platform = await startPlatform({ port: 0, strongWriteMs: 0, checkEveryMs: NEVER_MS });
const { awsEndpoint, regions } = platform.info;
const { host } = new URL(awsEndpoint);

let calls: Record<string, number> = {};
let refused: Record<string, number> = {};
const sockets = new Map<Socket, number>();

subscribe('http.server.response.finish', (message) => {
  const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
  if (request.headers.host !== host) return;
  const operation = String(request.headers['x-amz-target']).split('.').at(-1)!;
  calls[operation] = (calls[operation] ?? 0) + 1;
  if (response.statusCode !== 200) refused[operation] = (refused[operation] ?? 0) + 1;
  if (!sockets.has(request.socket)) sockets.set(request.socket, 0);
});

const client = sdkDynamodb({
  endpoint: awsEndpoint,
  region: regions[0]!.name,
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
});
const TABLE = tableName(STAGE, 'registry', 1);
let filled = 0;

answerAsks({
  ...gauges(),
  info: () => platform.info,
  /** @returns what was received since the last time */
  received(): Received {
    let bytes = 0;
    for (const [socket, before] of sockets) {
      const now = socket.bytesRead + socket.bytesWritten;
      bytes += now - before;
      sockets.set(socket, now);
    }
    const received = { calls, refused, bytes };
    calls = {};
    refused = {};
    return received;
  },
  /** Adds registrations of other clients until the registry holds `items` of them. */
  async fillTo(items: number) {
    while (filled < items) {
      const requests = Array.from({ length: Math.min(BATCH, items - filled) }, () => {
        const id = String(filled++);
        const Item = {
          pk: { S: `bench#${id.padStart(43, '0')}` },
          user_id: { S: `user-${id}` },
          created_at: { N: '1795430000000' },
          data: { S: 'd'.repeat(200) },
        };
        return { PutRequest: { Item } };
      });
      await client.send(new BatchWriteItemCommand({ RequestItems: { [TABLE]: requests } }));
    }
  },
});

/** `GET /v1/events/{after}`: a client reads its own events, from a cursor on. */
import { isOwn } from '../../protocol/client.ts';
import { BEGINNING, cursorText, OTHER_REGION_MS, readCursor } from '../../protocol/event.ts';
import { refuse } from '../../protocol/problem.ts';
import type { Events } from '../adapters/events.ts';
import { KEPT_MS, type ReadEvents, seqBefore } from '../callbacks/read-events.ts';
import { type Answer, json } from '../http/answer.ts';
import { type HttpHandler, httpHandler } from '../http/handler.ts';
import { type AdmittedRead, type ProofGate, withReadProof } from '../request/proof-gate.ts';
import type { ReadLimit } from '../request/read-limit.ts';

export interface EventsOptions {
  readonly gate: ProofGate;
  readonly events: Events;
  readonly readEvents: ReadEvents;
  readonly readLimit: ReadLimit;
}

interface From {
  readonly seq: number;
  /** Undefined at the beginning, which is never gone. */
  readonly atMs?: number;
  /** Whether the cursor is another Region's. */
  readonly isOther: boolean;
}

/** A consumer that began with the oldest events has half a day for them. */
const GONE_MS = KEPT_MS + 12 * 3600 * 1000;

/** Events of one answer. */
const LIMIT = 100;

export function eventsHandler({ gate, events, readEvents, readLimit }: EventsOptions): HttpHandler {
  const { region, nowMs } = gate.http;
  return httpHandler(gate.http, (request, fields) =>
    withReadProof(gate, request, fields, (admitted) => read(request.id, admitted)),
  );

  async function read(after: string, { verified, headers, answerRefusal }: AdmittedRead): Promise<Answer> {
    const over = readLimit.charge(verified.client);
    if (over) return answerRefusal(refuse('quota_exceeded', 'reads'), { headers: over, nonce: false });
    const client = verified.client.clientId;
    const from = await numberOf(client, after);
    if (from === undefined) return answerRefusal(refuse('malformed_request', 'cursor', NO_CURSOR));
    const page = await readEvents({ client, after: from.seq, limit: LIMIT, nowMs: nowMs() });
    // TTL may have deleted events that the client has not read.
    const isOld = from.atMs !== undefined && from.atMs < nowMs() - GONE_MS;
    if (isOld && (page.passed || from.isOther)) return answerRefusal(refuse('cursor_gone', 'cursor'));
    const { nextMs } = page;
    const next = nextMs === undefined ? after : cursorText({ region, seq: page.next, atMs: nextMs });
    const { createdAtMs } = verified.client;
    const listed = page.events
      .filter(({ timestamp }) => isOwn(createdAtMs, Date.parse(timestamp)))
      .map(({ id, type, timestamp, data }) => ({ id, type, timestamp, data }));
    const carried = { ...(await headers()), 'Cache-Control': 'no-store' };
    return json(200, { events: listed, next }, carried);
  }

  /** @returns where to read on; undefined for a text that is no cursor */
  async function numberOf(client: string, after: string): Promise<From | undefined> {
    // Older events may be deleted between two pages. What is left of them would make a cursor that is gone.
    if (after === BEGINNING)
      return { seq: await seqBefore(events, client, nowMs() - KEPT_MS), isOther: false };
    const cursor = readCursor(after);
    if (!cursor) return undefined;
    if (cursor.region === region) return { ...cursor, isOther: false };
    // Another Region numbers the events otherwise, and wrote them earlier or later.
    const atMs = cursor.atMs - OTHER_REGION_MS;
    return { seq: await seqBefore(events, client, atMs), atMs, isOther: true };
  }
}

const NO_CURSOR =
  'The path ends in no cursor: take "next" of an earlier answer as it is, or 0 for the beginning.';

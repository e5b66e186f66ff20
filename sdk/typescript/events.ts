/** Reads events from a cursor on, page by page. */
import type { Call } from './caller.ts';
import { InvalidArgumentError } from './errors.ts';
import { type CountersignEvent, isEvent } from './event.ts';
import { type Answer, unexpectedAnswer } from './http.ts';
import { requireOptions } from './options.ts';

export interface EventsOptions {
  /** The `cursor` of the last event that was handled. @default the beginning of what the platform keeps */
  readonly after?: string;
  /** An abort ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** An event that was read. */
export type ReadEvent = CountersignEvent & {
  /**
   * Where to resume once this event is handled. It never skips an event. It may repeat up to 99, and after a
   * change of Region those of a day: an event that was handled has the same `id`.
   */
  readonly cursor: string;
};

interface Page {
  readonly events: readonly CountersignEvent[];
  readonly next: string;
}

const BEGINNING = '0';
const CURSOR = /^[\w-]{1,512}$/;

export type PageCall = Pick<Call<Page>, 'path' | 'route' | 'signal' | 'read'>;
type Get = (call: PageCall) => Promise<Page>;

/**
 * @param get makes a call
 * @throws InvalidArgumentError at once, where an option is wrong
 */
export function readEvents(
  get: Get,
  clientId: () => string,
  options: EventsOptions,
): AsyncGenerator<ReadEvent, void, void> {
  requireOptions(options, ['after', 'signal']);
  const { after = BEGINNING, signal } = options;
  if (!isCursor(after)) throw new InvalidArgumentError('after must be the cursor of an event');
  const read = (answer: Answer) => readPage(answer, clientId());
  return pages((path) => get({ path, route: '/v1/events/{after}', signal, read }), after);
}

async function* pages(
  get: (path: string) => Promise<Page>,
  from: string,
): AsyncGenerator<ReadEvent, void, void> {
  for (let after = from, ended = false; !ended; ) {
    const { events, next } = await get(`/v1/events/${after}`);
    // A page has one cursor, which is behind all of its events.
    for (const [i, event] of events.entries())
      yield { ...event, cursor: i === events.length - 1 ? next : after };
    ended = next === after;
    after = next;
  }
}

function readPage(answer: Answer, clientId: string): Page {
  const { events, next } = (answer.json ?? {}) as Record<string, unknown>;
  if (!isCursor(next) || !Array.isArray(events) || !events.every(isOwn)) throw unexpectedAnswer(answer);
  return { events, next };

  function isOwn(event: unknown): event is CountersignEvent {
    return isEvent(event) && event.data.client_id === clientId;
  }
}

const isCursor = (value: unknown): value is string => typeof value === 'string' && CURSOR.test(value);

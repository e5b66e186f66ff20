/** What happened to registrations and keys, as callbacks bring it and `client.events()` reads it. */
import type { EventType as PlatformEventType } from '../../protocol/event.ts';
import type { Registration } from './registration.ts';

/** What an event of a registration says. */
export interface RegistrationEvent {
  /** `id` of the registration. */
  readonly id: string;
  readonly client_id: string;
  /** Of the registration, at this change. */
  readonly version: string;
  /** In a conflict: the version that was replaced. */
  readonly lost_version?: string;
  /**
   * The registration itself, where the endpoint was created with `--payload full`; null if it was deleted
   * since.
   */
  readonly registration?: Omit<Registration<object>, 'etag'> | null;
}

/** What an event of a client says. */
export interface ClientEvent {
  readonly client_id: string;
  readonly version: string;
  /** Of the key. */
  readonly kid?: string;
  /** When the key expires: RFC 3339, UTC. */
  readonly expires_at?: string;
}

/** `data` of each type of event. */
export interface EventData {
  'registration.created': RegistrationEvent;
  'registration.deleted': RegistrationEvent;
  /** Only where Regions replicate eventually: another Region's data of the same user won. */
  'registration.conflict': RegistrationEvent;
  /** 14, 7 and 1 days ahead. */
  'client.key_expiring': ClientEvent;
  'client.key_rotated': ClientEvent;
  'client.disabled': ClientEvent;
}

export type EventType = keyof EventData;

/** The types that this version of the SDK knows. */
export const EVENT_TYPES = Object.keys({
  'registration.created': 0,
  'registration.deleted': 0,
  'registration.conflict': 0,
  'client.key_expiring': 0,
  'client.key_rotated': 0,
  'client.disabled': 0,
} satisfies Record<EventType | PlatformEventType, 0>) as readonly EventType[];

/** An event. Its `id` is the same at every attempt, in every Region and in every replay. */
export type CountersignEvent<T extends EventType = EventType> = {
  readonly [K in T]: {
    /** `evt_…` */
    readonly id: string;
    readonly type: K;
    /** When it happened: RFC 3339, UTC. */
    readonly timestamp: string;
    readonly data: EventData[K];
  };
}[T];

/** @returns whether the value has the form of an event of any type, also of one that is not known here */
export function isEvent(value: unknown): value is CountersignEvent {
  const { id, type, timestamp, data } = (value ?? {}) as Record<string, unknown>;
  return (
    [id, type, timestamp].every((text) => typeof text === 'string' && text.length <= 256) &&
    typeof data === 'object' &&
    data !== null
  );
}

/** Actions of the operators' functions: `{"action","params"}` in, `AdminAnswer` out (docs/operators.md). */

import type { BaseFunctionName } from './names.ts';
import type { Consistency } from './serving-environment.ts';

export interface ClientKeySummary {
  /** The generation as decimal text, or the JWK's thumbprint. */
  readonly kid: string;
  readonly alg: string;
  readonly usable_at: string;
  readonly expires_at: string;
  /** Kid of the generation that issued it; null where an operator issued it. */
  readonly issued_by: string | null;
  /**
   * Kid of the `client-root` key that an API key is derived from; null for a public key of the client's own.
   */
  readonly root_kid: string | null;
  /** Whether the key, one that it descends from, or the client root that it is derived from was revoked. */
  readonly revoked: boolean;
}

export interface ClientSummary {
  readonly client_id: string;
  readonly profile: 'strict' | 'basic';
  readonly disabled: boolean;
  /** Signatures a minute; null = the platform's default. */
  readonly limit: number | null;
  /** What its access tokens may be for. */
  readonly scopes: readonly string[];
  /** Where it came from. */
  readonly origin: 'operator' | 'invite' | 'enrolment';
  readonly created_at: string;
  readonly keys: readonly ClientKeySummary[];
}

export interface CreatedClient {
  readonly client_id: string;
  readonly profile: 'strict' | 'basic';
  readonly kid: string;
  readonly expires_at: string;
  /** Shown once, never again. Absent where the client brought its own public key. */
  readonly api_key?: string;
}

/** An invite. */
export interface InvitedClient {
  readonly client_id: string;
  /** Shown once, never again. Whoever has it registers as the client, unless it is for one key. */
  readonly initial_access_token: string;
  readonly expires_at: string;
}

export interface RotatedKey extends CreatedClient {
  /** The older generations, each with its new end. */
  readonly ends: readonly { readonly kid: string; readonly expires_at: string }[];
}

export interface RevokedProof {
  /** `already_used`: used or revoked before; `expired`: nobody can use it any more. */
  readonly outcome: 'revoked' | 'already_used' | 'expired';
}

export interface ShownRegistration {
  readonly id: string;
  readonly client_id: string;
  readonly user_id: string;
  readonly created_at: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The record of a deletion. */
export interface ShownTombstone {
  readonly id: string;
  readonly client_id: string;
  readonly deleted_at: string;
}

export interface ErasedRegistration {
  readonly id: string;
  /**
   * `absent`: there never was such a client. `deleted`: no personal data is left, and the tombstone can go
   * from `erasable_at` on.
   */
  readonly state: 'absent' | 'deleted' | 'erased';
  readonly erasable_at?: string;
  /** With `deleted`: whether this call found a registration, and not only a tombstone or nothing. */
  readonly existed?: boolean;
}

/** A Region as the tables of the Region that answers have it. */
export interface ShownRegion {
  readonly region: string;
  /** The Region that keeps its evacuation flag, which decides where DNS leads. */
  readonly keeper: string;
  /** All Regions of the stage, in the order that clients should prefer. */
  readonly regions: readonly { readonly name: string; readonly url: string }[];
  /** Null if the flag is not set here. */
  readonly evacuated_at: string | null;
  /** When the flag was last removed; null if it is set, or never was. */
  readonly returned_at: string | null;
}

export interface EvacuatedRegion extends ShownRegion {
  /** Whether the flag was set before, by another call. */
  readonly stood_before: boolean;
}

interface OneRegion {
  readonly region: string;
}

/** The tables that all Regions share, as one Region uses them. */
export interface ShownTables {
  readonly registry: string;
  readonly clients: string;
  readonly consistency: Consistency;
  /** All Regions of the stage. */
  readonly regions: readonly string[];
  /** Null where writes are not stopped. */
  readonly stopped_at: string | null;
  /** For how long, in milliseconds, by the Region's own clock; null where writes are not stopped. */
  readonly stopped_ms: number | null;
}

/** A callback endpoint. */
export interface ShownEndpoint {
  readonly id: string;
  /** A client, or `*` for all of them. */
  readonly client: string;
  readonly url: string;
  /** Null for all types. */
  readonly events: readonly string[] | null;
  readonly payload: 'thin' | 'full';
  /**
   * `pending`: it has not answered a ping yet. `disabled`: nothing was delivered for three days, or an
   * operator did it. `gone`: it answered 410.
   */
  readonly state: 'pending' | 'active' | 'disabled' | 'gone';
  /** The Region that delivers. */
  readonly holder: string;
  /** `open`: new events wait until the endpoint takes one that failed. */
  readonly circuit: 'closed' | 'open';
  readonly failing_since: string | null;
  /** Events that were not tried yet, at most; null where another Region delivers. */
  readonly pending: number | null;
  readonly retries: number;
  /** Events that were given up, as `webhooks.failures` lists them; counted up to 100. */
  readonly given_up: number;
  /** Whether writes are stopped, and callbacks with them; null where another Region delivers. */
  readonly stopped: boolean | null;
  /** The key of `webhook-root` that the secret is derived from. */
  readonly root_kid: string;
  /** When the secret ends; null where no end is set, `ended` where it is over. */
  readonly secret_ends_at: string | null;
  readonly created_at: string;
  /** The last ping; `error` where there was no answer. */
  readonly ping: {
    readonly at: string;
    readonly status: number | null;
    readonly error: string | null;
  } | null;
}

/** An event that was not delivered within three days. */
export interface FailedEvent {
  readonly event: string;
  readonly type: string;
  readonly first_at: string;
  readonly attempts: number;
  readonly last_status: number | null;
  readonly last_error: string | null;
  readonly dead_at: string;
}

interface OneEndpoint {
  readonly id: string;
}

interface OneRegistration {
  readonly client_id: string;
  readonly user_id: string;
}

export interface AdminActions {
  'clients.show': { params: { client_id: string }; result: ClientSummary };
  'clients.list': {
    params: { limit?: number; cursor?: string };
    result: { clients: ClientSummary[]; cursor?: string };
  };
  'clients.create': {
    params: {
      client_id?: string;
      profile: 'strict' | 'basic';
      limit?: number;
      /** Default: `registrations:write` and `registrations:read`. */
      scopes?: readonly string[];
      /** RFC 3339. Needed for `basic`, which cannot roll over by itself. */
      expires_at?: string;
      /** A public JWK with `alg`; the platform then holds nothing that can sign. */
      jwk?: Record<string, unknown>;
    };
    result: CreatedClient;
  };
  'clients.invite': {
    params: {
      client_id: string;
      /** How long it may be redeemed, in seconds; default 1 hour. */
      expires_s?: number;
      /** RFC 7638 thumbprint of the only key that may redeem it. */
      thumbprint?: string;
      scopes?: readonly string[];
      limit?: number;
    };
    result: InvitedClient;
  };
  /** `limit`: signatures a minute; null = the platform's default. */
  'clients.update': {
    params: { client_id: string; limit?: number | null; scopes?: readonly string[] };
    result: ClientSummary;
  };
  'clients.rotate-key': {
    params: {
      client_id: string;
      /** For how long the older generations keep working, in seconds; default 7 days. */
      overlap_s?: number;
      profile?: 'strict' | 'basic';
      expires_at?: string;
      jwk?: Record<string, unknown>;
    };
    result: RotatedKey;
  };
  'clients.revoke-key': { params: { client_id: string; kid: string }; result: ClientSummary };
  'clients.disable': { params: { client_id: string }; result: ClientSummary };
  'clients.enable': { params: { client_id: string }; result: ClientSummary };
  'clients.delete': { params: { client_id: string }; result: { client_id: string } };
  /** In the Region that is asked. The token need not be known, and is refused until it would have ended. */
  'tokens.revoke': { params: { jti: string }; result: { jti: string } };
  'proofs.revoke': { params: { nonce: string }; result: RevokedProof };
  'registrations.show': { params: OneRegistration; result: ShownRegistration | ShownTombstone };
  'registrations.delete': { params: OneRegistration; result: { id: string; deleted: boolean } };
  /**
   * `erased`: another Region has just answered `erased`. Where nothing is stored, no new tombstone is left
   * then.
   */
  'registrations.erase': { params: OneRegistration & { erased?: boolean }; result: ErasedRegistration };
  'regions.show': { params: OneRegion; result: ShownRegion };
  /** Sets the flag in the table of the Region that is asked: the Region itself, or its keeper. */
  'regions.evacuate': { params: OneRegion; result: EvacuatedRegion };
  /** Clears the flag there. */
  'regions.return': { params: OneRegion; result: ShownRegion };
  /** One step: with the `cursor` of the answer, the next one goes on. */
  'events.rebuild': {
    params: {
      since: string;
      /** Also changes of the last 25 hours, which the outbox may still have. */
      recent?: true;
      cursor?: string;
    };
    result: { looked: number; written: number; unreadable: string[]; cursor?: string };
  };
  'tables.show': { params: object; result: ShownTables };
  /** No write of `registry` or `clients` begins in this Region later than 10 s after the answer. */
  'tables.stop': { params: object; result: ShownTables };
  'tables.resume': { params: object; result: ShownTables };
  'webhooks.list': { params: { client?: string }; result: { endpoints: ShownEndpoint[] } };
  'webhooks.failures': {
    params: OneEndpoint & { after?: string };
    result: { failures: FailedEvent[]; next?: string };
  };
  'webhooks.create': {
    params: {
      client?: string;
      all?: true;
      url: string;
      events?: readonly string[];
      payload?: 'thin' | 'full';
    };
    /** `secret` is shown once, never again. */
    result: { id: string; secret: string; public_key: string; state: 'pending' };
  };
  'webhooks.update': {
    params: OneEndpoint & {
      url?: string;
      /** Null for all types. */
      events?: readonly string[] | null;
      payload?: 'thin' | 'full';
      enabled?: boolean;
      /** Those before sign for another day, too. */
      new_secret?: true;
    };
    result: ShownEndpoint & { secret?: string };
  };
  'webhooks.delete': { params: OneEndpoint; result: { id: string } };
  /** Sends a ping; `webhooks.list` shows its result. */
  'webhooks.test': { params: OneEndpoint; result: { id: string } };
  /** In the endpoint's Region. `since`: RFC 3339; `event`: of `webhooks.failures`. */
  'webhooks.replay': { params: OneEndpoint & { since?: string; event?: string }; result: { from: number } };
  /** In the Region `to`, which delivers from now on what `from` did. `since`: RFC 3339. */
  'webhooks.move': { params: { from: string; to: string; since?: string }; result: { moved: string[] } };
}

export type AdminAction = keyof AdminActions;

/** Which function serves an action. */
export const ADMIN_FUNCTION: { readonly [A in AdminAction]: BaseFunctionName } = {
  'clients.show': 'admin-read',
  'clients.list': 'admin-read',
  'clients.create': 'admin-write',
  'clients.invite': 'admin-write',
  'clients.update': 'admin-write',
  'clients.rotate-key': 'admin-write',
  'clients.revoke-key': 'admin-write',
  'clients.disable': 'admin-write',
  'clients.enable': 'admin-write',
  'clients.delete': 'admin-write',
  'tokens.revoke': 'admin-write',
  'proofs.revoke': 'admin-write',
  'registrations.show': 'admin-read',
  'registrations.delete': 'admin-write',
  'registrations.erase': 'admin-write',
  'regions.show': 'admin-read',
  'regions.evacuate': 'admin-write',
  'regions.return': 'admin-write',
  'events.rebuild': 'admin-write',
  'tables.show': 'admin-read',
  'tables.stop': 'admin-write',
  'tables.resume': 'admin-write',
  'webhooks.list': 'admin-read',
  'webhooks.failures': 'admin-read',
  'webhooks.create': 'admin-write',
  'webhooks.update': 'admin-write',
  'webhooks.delete': 'admin-write',
  'webhooks.test': 'admin-write',
  'webhooks.replay': 'admin-write',
  'webhooks.move': 'admin-write',
};

export interface AdminProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly instance: string;
}

/** The answer of every function for operators. */
export type AdminAnswer<R = unknown> =
  | { readonly ok: true; readonly result: R }
  | { readonly ok: false; readonly problem: AdminProblem };

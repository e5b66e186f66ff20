/** Actions of the operators' functions: `{"action","params"}` in, `AdminAnswer` out (design: 8-wire). */
import type { FunctionName } from './names.ts';

export interface ClientKeySummary {
  /** The generation as decimal text, or the JWK's thumbprint. */
  readonly kid: string;
  readonly alg: string;
  readonly usable_at: string;
  readonly expires_at: string;
}

export interface ClientSummary {
  readonly client_id: string;
  readonly profile: 'strict' | 'basic';
  readonly disabled: boolean;
  /** Signatures a minute; null = the platform's default. */
  readonly limit: number | null;
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
      /** RFC 3339. Needed for `basic`, which cannot roll over by itself. */
      expires_at?: string;
      /** A public JWK with `alg`; the platform then holds nothing that can sign. */
      jwk?: Record<string, unknown>;
    };
    result: CreatedClient;
  };
  'clients.disable': { params: { client_id: string }; result: ClientSummary };
  'clients.enable': { params: { client_id: string }; result: ClientSummary };
  'clients.delete': { params: { client_id: string }; result: { client_id: string } };
}

export type AdminAction = keyof AdminActions;

/** Which function serves an action. */
export const ADMIN_FUNCTION: { readonly [A in AdminAction]: FunctionName } = {
  'clients.show': 'admin-read',
  'clients.list': 'admin-read',
  'clients.create': 'admin-write',
  'clients.disable': 'admin-write',
  'clients.enable': 'admin-write',
  'clients.delete': 'admin-write',
};

export interface AdminProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly instance: string;
}

export type AdminAnswer<A extends AdminAction = AdminAction> =
  | { readonly ok: true; readonly result: AdminActions[A]['result'] }
  | { readonly ok: false; readonly problem: AdminProblem };

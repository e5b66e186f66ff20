/** Requests and answers as Vault's HTTP API has them. */
import { randomUUID } from 'node:crypto';

export type VaultOperation = 'create' | 'read' | 'update' | 'delete' | 'list';
export type VaultBody = Readonly<Record<string, unknown>>;

export interface VaultRequest {
  readonly operation: VaultOperation;
  /** The path without `/v1/`. */
  readonly path: string;
  readonly data: VaultBody;
}

/** Undefined means 204. */
export type VaultResult = { readonly data: VaultBody } | { readonly auth: VaultBody } | VaultRaw | undefined;

/** An answer with its own status, whose body is not wrapped. */
export interface VaultRaw {
  readonly status: number;
  readonly raw: VaultBody;
}

/** A refusal: `{"errors":[…]}`. */
export class VaultFault extends Error {
  readonly status: number;

  constructor(status: number, message?: string) {
    super(message ?? '');
    this.name = 'VaultFault';
    this.status = status;
  }
}

export interface VaultAnswer {
  readonly status: number;
  readonly body: VaultBody | undefined;
}

export function answerOf(result: VaultResult): VaultAnswer {
  if (result === undefined) return { status: 204, body: undefined };
  if ('raw' in result) return { status: result.status, body: result.raw };
  const { data = null, auth = null } = result as { data?: VaultBody; auth?: VaultBody };
  const envelope = { request_id: randomUUID(), lease_id: '', renewable: false, lease_duration: 0 };
  return { status: 200, body: { ...envelope, data, wrap_info: null, warnings: null, auth } };
}

export const faultAnswer = ({ status, message }: VaultFault): VaultAnswer => ({
  status,
  body: { errors: message === '' ? [] : [message] },
});

/** @throws VaultFault */
export function text(data: VaultBody, name: string): string {
  const value = data[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new VaultFault(400, `missing ${name}`);
}

/**
 * The operators' functions: `{"action","params"}` in, `{"ok",…}` out, an audit line for each
 * (docs/operators.md).
 */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { Unavailable } from '../adapters/call.ts';
import { ADMIN_FUNCTION, type AdminAction, type AdminAnswer } from '../contract/admin.ts';
import type { BundleName } from '../contract/names.ts';
import { describeError, type Log } from '../log.ts';

/** An error for the operator; `detail` says how to fix it. */
export class AdminError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.name = 'AdminError';
    this.status = status;
    this.code = code;
  }
}

/** An action: the form of its params, and its work. */
export interface Action<P = unknown, R = unknown> {
  readonly params: z.ZodType<P>;
  /** The client, key or registration that the audit line names. */
  readonly target: (params: P) => string;
  run(params: P): Promise<R>;
}

export type Actions = Readonly<Record<string, Action>>;

export interface AdminContext {
  readonly function: BundleName;
  readonly region: string;
  readonly errorDocsUrl: string;
  readonly log: Log;
}

export type AdminHandler = (
  event: unknown,
  context: { readonly awsRequestId: string },
) => Promise<AdminAnswer>;

const Event = z.object({ action: z.string(), params: z.unknown().default({}) });

export function adminHandler(context: AdminContext, actions: Actions): AdminHandler {
  const { log, region, errorDocsUrl } = context;

  return async (event, invocation) => {
    const request_id = invocation?.awsRequestId ?? randomUUID();
    const audit = { message: 'audit', request_id, region, function: context.function } as const;
    let action: string | undefined;
    let target: string | undefined;
    try {
      const asked = parse(Event, event, 'event');
      const known = Object.hasOwn(actions, asked.action) ? actions[asked.action] : undefined;
      if (!known) throw unknownAction(context.function, asked.action, actions);
      ({ action } = asked);
      const params = parse(known.params, asked.params, 'params');
      target = known.target(params);
      const result = await known.run(params);
      log({ level: 'INFO', ...audit, action, target, status: 200 });
      return { ok: true, result };
    } catch (error) {
      const { status, code, message } = toAdminError(error);
      const failure = error instanceof AdminError ? undefined : describeError(error);
      // The detail of a malformed request may quote the request, and so a key.
      const detail = code === 'malformed_request' ? undefined : message;
      const level = failure ? 'ERROR' : 'INFO';
      log({ level, ...audit, action, target, status, reason: code, detail, ...failure });
      const type = `${errorDocsUrl}/${code}`;
      const title = code.replaceAll('_', ' ');
      return {
        ok: false,
        problem: { type, title, status, code, detail: message, instance: `urn:uuid:${request_id}` },
      };
    }
  };
}

/** A detail may quote names of the request, which may be long. */
const LONGEST_DETAIL = 1_000;

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map(({ path, message }) => `${[what, ...path].join('.')}: ${message}`);
  throw new AdminError(400, 'malformed_request', faults.join('; ').slice(0, LONGEST_DETAIL));
}

function unknownAction(name: BundleName, action: string, actions: Actions): AdminError {
  const elsewhere = Object.hasOwn(ADMIN_FUNCTION, action) ? ADMIN_FUNCTION[action as AdminAction] : undefined;
  const hint = elsewhere
    ? `is served by ${elsewhere}`
    : `is unknown; ${name} serves ${Object.keys(actions).join(', ')}`;
  return new AdminError(400, 'malformed_request', `action ${JSON.stringify(action.slice(0, 64))} ${hint}`);
}

function toAdminError(error: unknown): AdminError {
  if (error instanceof AdminError) return error;
  if (error instanceof Unavailable) return new AdminError(503, 'unavailable', `${error.message}; try again`);
  return new AdminError(500, 'internal', 'Something went wrong: see the log line with this request id.');
}

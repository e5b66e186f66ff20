/** Sends one callback: one POST to a guarded address, no redirect, ten seconds, a short answer. */
import type { LookupAddress, LookupOptions } from 'node:dns';
import { Agent, request } from 'undici';
import { type Guard, guarded, type Resolve, systemResolve } from './guard.ts';

/** A callback that takes longer has failed, in milliseconds. */
export const SEND_TIMEOUT_MS = 10_000;
const MOST_ANSWER_BYTES = 1_024;

export interface Callback {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export type SendError = 'refused_url' | 'refused_address' | 'dns' | 'tls' | 'timeout' | 'connection';

export type Sent =
  | { readonly status: number; readonly retryAfter: string | undefined }
  | { readonly error: SendError };

/** It never throws. */
export type Send = (callback: Callback) => Promise<Sent>;

export interface SendOptions {
  readonly guard: Guard;
  /** @default the system's resolver */
  readonly resolve?: Resolve;
  /** @default 10 seconds */
  readonly timeoutMs?: number;
  /** Options of TLS, for tests. */
  readonly tls?: { readonly ca?: string };
}

/**
 * The agent is its own: no proxy variable and no other dispatcher comes between the address that was checked
 * and the one that is dialled. Each dial looks the name up and checks all that comes back.
 */
export function createSend({
  guard,
  resolve = systemResolve,
  timeoutMs = SEND_TIMEOUT_MS,
  tls = {},
}: SendOptions): Send {
  const agent = new Agent({
    connect: {
      ...tls,
      timeout: timeoutMs,
      lookup: (hostname: string, options: LookupOptions, done: LookupCallback) => {
        guarded(guard, resolve, hostname).then(
          (addresses) => {
            if (options.all) done(null, addresses);
            else done(null, addresses[0]!.address, addresses[0]!.family);
          },
          (error: Error) => done(error, []),
        );
      },
    },
    // Where a connection is kept, nothing is looked up.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 10_000,
    maxHeaderSize: 16_384,
  });
  return async ({ url, headers, body }) => {
    // An item of the table may be older than a rule of the guard.
    if (guard.urlFault(url) !== undefined) return { error: 'refused_url' };
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await request(url, { method: 'POST', headers, body, dispatcher: agent, signal });
      const retryAfter = answer.headers['retry-after'];
      await readBeginning(answer.body);
      return {
        status: answer.statusCode,
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
      };
    } catch (error) {
      return { error: signal.aborted ? 'timeout' : sendError(error) };
    }
  };
}

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** Only a short answer leaves a connection that can be used again. */
async function readBeginning(body: AsyncIterable<Uint8Array>): Promise<void> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    // The end of the loop destroys the rest.
    if (bytes > MOST_ANSWER_BYTES) return;
  }
}

function sendError(error: unknown): SendError {
  const code = String((error as { code?: unknown }).code ?? '');
  if (code === 'REFUSED_ADDRESS') return 'refused_address';
  if (/^(ENOTFOUND|EAI_|ENODATA)/.test(code)) return 'dns';
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code)) return 'tls';
  if (/TIMEOUT|ETIMEDOUT/.test(code)) return 'timeout';
  return 'connection';
}

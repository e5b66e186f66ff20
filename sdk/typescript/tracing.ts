/**
 * A span for each call, where the application has OpenTelemetry. Names of attributes are OpenTelemetry's own
 * (Semantic Conventions, "HTTP client"), or begin with `countersign.`.
 */
import { loadOpenTelemetry } from '#opentelemetry';
import type { Call } from './caller.ts';
import { type ApiError, CountersignError } from './errors.ts';
import { once } from './once.ts';
import type { CallResponse } from './response.ts';

const openTelemetry = once(loadOpenTelemetry);

/** Runs a call within a span of its own. */
export async function traced<T>(
  { method, route }: Pick<Call<T>, 'method' | 'route'>,
  run: () => Promise<CallResponse<T>>,
): Promise<CallResponse<T>> {
  const api = await openTelemetry();
  if (!api) return run();
  const attributes = { 'http.request.method': method, 'url.template': route };
  const options = { kind: api.SpanKind.CLIENT, attributes };
  return api.trace
    .getTracer('@countersign/sdk')
    .startActiveSpan(`${method} ${route}`, options, async (span) => {
      try {
        const response = await run();
        span.setAttributes(outcome(response));
        return response;
      } catch (error) {
        const isOurs = error instanceof CountersignError;
        // The reason of an abort is the caller's own: its text may hold anything.
        span.setStatus({ code: api.SpanStatusCode.ERROR, ...(isOurs && { message: error.message }) });
        span.setAttributes(
          isOurs ? { ...outcome(error), 'error.type': error.code } : { 'error.type': '_OTHER' },
        );
        throw error;
      } finally {
        span.end();
      }
    });
}

function outcome(of: CallResponse<unknown> | CountersignError): Record<string, string | number> {
  const { status, attempts = 0, region, requestId } = of as Partial<ApiError>;
  return {
    ...(status !== undefined && { 'http.response.status_code': status }),
    ...(attempts > 1 && { 'http.request.resend_count': attempts - 1 }),
    ...(region !== undefined && { 'countersign.region': region }),
    ...(requestId !== undefined && { 'countersign.request_id': requestId }),
  };
}

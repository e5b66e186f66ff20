/** Spans of a client, as OpenTelemetry's own SDK records them. */
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { FakePlatform } from './fake-platform.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
beforeAll(() => {
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterEach(() => exporter.reset());
afterAll(async () => {
  trace.disable();
  context.disable();
  await provider.shutdown();
});

test('a call is a span, under that of its caller, with its outcome and no value of the user', async () => {
  const platform = new FakePlatform();
  platform.fault = ({ method, at }) =>
    method === 'POST' && at === 'a' ? platform.problem('unavailable', at) : undefined;
  const client = platform.client();
  await trace.getTracer('application').startActiveSpan('sign up', async (span) => {
    await client.register({ user_id: 'ada' });
    span.end();
  });
  const [call, caller] = exporter.getFinishedSpans();
  expect(call).toMatchObject({
    name: 'POST /v1/register',
    kind: SpanKind.CLIENT,
    status: { code: SpanStatusCode.UNSET },
    instrumentationScope: { name: '@countersign/sdk' },
    parentSpanContext: { spanId: caller!.spanContext().spanId },
  });
  expect(call!.attributes).toEqual({
    'http.request.method': 'POST',
    'url.template': '/v1/register',
    'http.response.status_code': 201,
    'http.request.resend_count': 1,
    'countersign.region': 'b',
  });
});

test('a span of a call that fails has the code of the error', async () => {
  const client = new FakePlatform().client();
  await client.get('x'.repeat(43)).catch(() => {});
  const [span] = exporter.getFinishedSpans();
  expect(span!.status).toEqual({
    code: SpanStatusCode.ERROR,
    message: 'Not found: There is nothing here for you.',
  });
  expect(span!.attributes).toEqual({
    'http.request.method': 'GET',
    'url.template': '/v1/registrations/{id}',
    'http.response.status_code': 404,
    'error.type': 'not_found',
    'countersign.region': 'a',
    'countersign.request_id': expect.stringMatching(/^[\da-f-]{36}$/),
  });
});

test('a span of a call that was aborted keeps the reason to itself', async () => {
  const platform = new FakePlatform();
  platform.fault = () => 'hang';
  const signal = AbortSignal.abort(new Error('a reason of the application'));
  await platform
    .client()
    .register({ user_id: 'ada' }, { signal })
    .catch(() => {});
  const [span] = exporter.getFinishedSpans();
  expect(span!.status).toEqual({ code: SpanStatusCode.ERROR });
  expect(span!.attributes).toMatchObject({ 'error.type': '_OTHER' });
});

test('what a call calls runs within its span', async () => {
  const within: unknown[] = [];
  const client = new FakePlatform().client({
    onRequest: () => void within.push(trace.getActiveSpan()?.spanContext().spanId),
  });
  await client.register({ user_id: 'ada' });
  expect(within).toEqual([exporter.getFinishedSpans()[0]!.spanContext().spanId]);
});

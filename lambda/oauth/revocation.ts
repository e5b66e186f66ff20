/** `POST /v1/oauth/revoke` and `POST /v1/oauth/introspect`, by one function. */
import type { Answer } from '../http/answer.ts';
import type { RoutedRequest } from '../http/event.ts';
import { type HttpContext, type HttpHandler, httpHandler, type LogFields } from '../http/handler.ts';
import { answered, type Refused } from './answer.ts';

type Work = (request: RoutedRequest, fields: LogFields) => Promise<Answer | Refused>;

export const revocationHandler = (
  http: HttpContext,
  { revoke, introspect }: { readonly revoke: Work; readonly introspect: Work },
): HttpHandler =>
  httpHandler(http, async (request, fields) =>
    answered(await (request.resource.endsWith('/revoke') ? revoke : introspect)(request, fields)),
  );

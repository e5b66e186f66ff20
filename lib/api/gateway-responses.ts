/** API Gateway's own refusals and failures, as problems with CORS headers. */
import { ResponseType, type RestApi } from 'aws-cdk-lib/aws-apigateway';
import { PROBLEMS, type ProblemCode } from '../../protocol/problem.ts';
import { problemHeaders, problemTemplate } from './gateway-problem.ts';

const ANSWERS: readonly (readonly [ResponseType, ProblemCode, detail?: string])[] = [
  [ResponseType.DEFAULT_4XX, 'malformed_request'],
  [ResponseType.DEFAULT_5XX, 'internal'],
  [ResponseType.MISSING_AUTHENTICATION_TOKEN, 'not_found'],
  [ResponseType.RESOURCE_NOT_FOUND, 'not_found'],
  [ResponseType.ACCESS_DENIED, 'not_allowed'],
  [ResponseType.WAF_FILTERED, 'not_allowed', 'The request was refused at the front door.'],
  [ResponseType.REQUEST_TOO_LARGE, 'body_too_large'],
  [ResponseType.UNSUPPORTED_MEDIA_TYPE, 'unsupported_media_type'],
  [ResponseType.THROTTLED, 'quota_exceeded', 'Too many requests reach this Region at once.'],
  [ResponseType.QUOTA_EXCEEDED, 'quota_exceeded', 'Too many requests reach this Region at once.'],
  [ResponseType.INTEGRATION_FAILURE, 'unavailable'],
  [ResponseType.INTEGRATION_TIMEOUT, 'unavailable'],
];

export function addGatewayResponses(api: RestApi, errorDocsUrl: string): void {
  for (const [type, code, detail] of ANSWERS)
    api.addGatewayResponse(type.responseType, {
      type,
      statusCode: String(PROBLEMS[code].status),
      responseHeaders: { ...problemHeaders(code), 'Countersign-Request-Id': 'context.requestId' },
      templates: { 'application/json': problemTemplate(errorDocsUrl, code, detail) },
    });
}

/** API Gateway answers 404s and CORS preflights itself, so a scanner's requests run no function. */
import {
  ContentHandling,
  type IntegrationResponse,
  type IResource,
  MockIntegration,
  PassthroughBehavior,
} from 'aws-cdk-lib/aws-apigateway';
import { CORS_ANSWER_HEADERS, CORS_REQUEST_HEADERS, type Route } from '../../lambda/contract/routes.ts';
import { problemHeaders, problemTemplate } from './gateway-problem.ts';

/** For every method. Without it API Gateway takes a proof for a broken AWS signature. */
export function addNotFound(resource: IResource, errorDocsUrl: string): void {
  addAnswer(resource, 'ANY', 404, problemHeaders('not_found'), problemTemplate(errorDocsUrl, 'not_found'));
}

export function addPreflight(resource: IResource, { methods }: Route): void {
  addAnswer(resource, 'OPTIONS', 204, {
    'Access-Control-Allow-Origin': "'*'",
    'Access-Control-Allow-Methods': `'${[...methods, 'OPTIONS'].join(', ')}'`,
    'Access-Control-Allow-Headers': `'${CORS_REQUEST_HEADERS.join(', ')}'`,
    'Access-Control-Expose-Headers': `'${CORS_ANSWER_HEADERS.join(', ')}'`,
  });
}

const ID_HEADER = 'Countersign-Request-Id';
const SET_ID = `#set($context.responseOverride.header.${ID_HEADER} = $context.requestId)`;

function addAnswer(
  resource: IResource,
  method: string,
  status: number,
  headers: Record<string, string>,
  body = '',
): void {
  const statusCode = String(status);
  const responseParameters = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [`method.response.header.${name}`, value]),
  );
  const answer: IntegrationResponse = {
    statusCode,
    responseParameters,
    responseTemplates: { 'application/json': `${SET_ID}${body}` },
    contentHandling: ContentHandling.CONVERT_TO_TEXT,
  };
  const integration = new MockIntegration({
    // With binary media types API Gateway would decode these templates as Base64, and answer 500.
    contentHandling: ContentHandling.CONVERT_TO_TEXT,
    requestTemplates: { 'application/json': `{"statusCode":${statusCode}}` },
    // No template fits another media type: API Gateway then answers its own 415, which is a problem too.
    passthroughBehavior: PassthroughBehavior.NEVER,
    integrationResponses: [answer],
  });
  const declared = Object.keys(responseParameters).map((name) => [name, true]);
  resource.addMethod(method, integration, {
    methodResponses: [{ statusCode, responseParameters: Object.fromEntries(declared) }],
  });
}

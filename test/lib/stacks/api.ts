import { expect, it } from 'vitest';
import { functionName } from '../../../lambda/contract/names.ts';
import { CORS_ANSWER_HEADERS, CORS_REQUEST_HEADERS, ROUTES } from '../../../lambda/contract/routes.ts';
import { PROBLEMS, type ProblemCode } from '../../../protocol/problem.ts';
import { CONFIG, flat, type Resource, synthesise } from '../synth.ts';

const DOCS = 'https://docs.example.com/errors';
const { region } = synthesise({ ...CONFIG, errorDocsUrl: DOCS });

/** Each method, by `METHOD /path`. */
const METHODS = new Map(
  region
    .ofType('AWS::ApiGateway::Method')
    .map(({ Properties }) => [`${Properties.HttpMethod} ${pathOf(Properties.ResourceId)}`, Properties]),
);

function pathOf(id: { Ref?: string }): string {
  const resource = id.Ref === undefined ? undefined : region.resources[id.Ref];
  if (!resource) return '/';
  const { ParentId, PathPart } = resource.Properties;
  return `${pathOf(ParentId).replace(/\/$/, '')}/${PathPart}`;
}

/** A problem's template with the values that API Gateway inserts. */
function problemOf(template: unknown): Record<string, unknown> {
  const filled = flat(template)
    .replace('#set($context.responseOverride.header.Countersign-Request-Id = $context.requestId)', '')
    .replaceAll('$context.requestId', '00000000-0000-4000-8000-000000000000');
  expect(filled).not.toContain('$');
  return JSON.parse(filled);
}

function expectProblem(template: unknown, status: string): void {
  const { type, title, detail, instance, code, ...rest } = problemOf(template);
  const definition = PROBLEMS[code as ProblemCode];
  expect(type).toBe(`${DOCS}/${code}`);
  expect(title).toBe(definition.title);
  expect(detail).toEqual(expect.any(String));
  expect(instance).toBe('urn:uuid:00000000-0000-4000-8000-000000000000');
  expect(rest).toEqual({ status: Number(status) });
  expect(definition.status).toBe(Number(status));
}

it('every route of the contract leads to its function, unchanged and open to all', () => {
  for (const { resource, methods, function: name } of ROUTES)
    for (const each of methods) {
      const method = METHODS.get(`${each} ${resource}`)!;
      expect(method.AuthorizationType).toBe('NONE');
      expect(method.Integration).toMatchObject({ Type: 'AWS_PROXY', IntegrationHttpMethod: 'POST' });
      const called = flat(method.Integration.Uri).match(/functions\/\$\{(\w+)\.Arn\}\/invocations$/)![1]!;
      expect(region.resources[called]!.Properties.FunctionName).toBe(functionName('dev', name));
    }
});

it("API Gateway may call each function for its own routes only, and no operator's function", () => {
  const permissions = region.ofType('AWS::Lambda::Permission').map(({ Properties }) => Properties);
  const ofApi = permissions.filter(({ Principal }) => Principal === 'apigateway.amazonaws.com');
  const sources = ofApi.map(({ FunctionName, SourceArn }) => {
    const name = region.resources[FunctionName['Fn::GetAtt'][0]]!.Properties.FunctionName;
    return `${name} ${flat(SourceArn).replace(/^.*?\$\{Api\w*\}\/\$\{\w+\}/, '')}`;
  });
  expect(sources.sort()).toEqual(
    ROUTES.flatMap(({ resource, methods, function: name }) =>
      methods.map((method) => `${functionName('dev', name)} /${method}${resource.replace(/\{\w+\}/, '*')}`),
    ).sort(),
  );
});

it("a body reaches its function as bytes, whatever its type, and API Gateway's own answers stay text", () => {
  expect(region.ofType('AWS::ApiGateway::RestApi')[0]!.Properties.BinaryMediaTypes).toEqual(['*/*']);
  const mocks = [...METHODS.values()].filter(({ Integration }) => Integration.Type === 'MOCK');
  expect(mocks.length).toBeGreaterThan(ROUTES.length);
  for (const { Integration } of mocks)
    expect([Integration, ...Integration.IntegrationResponses]).toEqual([
      expect.objectContaining({ ContentHandling: 'CONVERT_TO_TEXT' }),
      expect.objectContaining({ ContentHandling: 'CONVERT_TO_TEXT' }),
    ]);
});

it('a request that matches no route is a 404 problem, even on a known path, and runs no function', () => {
  const paths = new Set(['/', ...region.ofType('AWS::ApiGateway::Resource').map(resourcePath)]);
  expect(paths).toContain('/{proxy+}');
  for (const path of paths) {
    const { Integration } = METHODS.get(`ANY ${path}`)!;
    expect(Integration).toMatchObject({
      Type: 'MOCK',
      PassthroughBehavior: 'NEVER',
      RequestTemplates: { 'application/json': '{"statusCode":404}' },
    });
    const [answer] = Integration.IntegrationResponses;
    expect(answer.StatusCode).toBe('404');
    expectProblem(answer.ResponseTemplates['application/json'], '404');
    expect(answer.ResponseParameters).toMatchObject({
      'method.response.header.Content-Type': "'application/problem+json'",
      'method.response.header.Access-Control-Allow-Origin': "'*'",
    });
    expect(answer.ResponseTemplates['application/json']).toMatch(
      /^#set\(\$context\.responseOverride\.header\.Countersign-Request-Id = \$context\.requestId\)/,
    );
  }
  function resourcePath({ Properties }: Resource): string {
    return pathOf({
      Ref: Object.entries(region.resources).find(([, each]) => each.Properties === Properties)![0],
    });
  }
});

it.each(ROUTES)("a browser may call $resource and read the answers' headers", ({ resource, methods }) => {
  const { Integration, MethodResponses } = METHODS.get(`OPTIONS ${resource}`)!;
  const [answer] = Integration.IntegrationResponses;
  expect(answer.StatusCode).toBe('204');
  expect(answer.ResponseParameters).toEqual({
    'method.response.header.Access-Control-Allow-Origin': "'*'",
    'method.response.header.Access-Control-Allow-Methods': `'${[...methods, 'OPTIONS'].join(', ')}'`,
    'method.response.header.Access-Control-Allow-Headers': `'${CORS_REQUEST_HEADERS.join(', ')}'`,
    'method.response.header.Access-Control-Expose-Headers': `'${CORS_ANSWER_HEADERS.join(', ')}'`,
  });
  // A deployment with a header that the method does not declare fails.
  expect(Object.keys(MethodResponses[0].ResponseParameters)).toEqual(Object.keys(answer.ResponseParameters));
});

it("API Gateway's own answers are problems with CORS and the request id", () => {
  const answers = region.ofType('AWS::ApiGateway::GatewayResponse').map(({ Properties }) => Properties);
  const codes: Record<string, unknown> = {};
  for (const { ResponseType, StatusCode, ResponseParameters, ResponseTemplates } of answers) {
    expect(Object.keys(ResponseTemplates)).toEqual(['application/json']);
    expectProblem(ResponseTemplates['application/json'], StatusCode);
    expect(ResponseParameters).toMatchObject({
      'gatewayresponse.header.Content-Type': "'application/problem+json'",
      'gatewayresponse.header.Access-Control-Allow-Origin': "'*'",
      'gatewayresponse.header.Access-Control-Expose-Headers': `'${CORS_ANSWER_HEADERS.join(', ')}'`,
      'gatewayresponse.header.Countersign-Request-Id': 'context.requestId',
    });
    const waits = 'gatewayresponse.header.Retry-After' in ResponseParameters;
    expect(waits).toBe(StatusCode === '429' || StatusCode.startsWith('5'));
    codes[ResponseType] = problemOf(ResponseTemplates['application/json']).code;
  }
  expect(codes).toEqual({
    DEFAULT_4XX: 'malformed_request',
    DEFAULT_5XX: 'internal',
    MISSING_AUTHENTICATION_TOKEN: 'not_found',
    RESOURCE_NOT_FOUND: 'not_found',
    ACCESS_DENIED: 'not_allowed',
    WAF_FILTERED: 'not_allowed',
    REQUEST_TOO_LARGE: 'body_too_large',
    UNSUPPORTED_MEDIA_TYPE: 'unsupported_media_type',
    THROTTLED: 'quota_exceeded',
    QUOTA_EXCEEDED: 'quota_exceeded',
    INTEGRATION_FAILURE: 'unavailable',
    INTEGRATION_TIMEOUT: 'unavailable',
  });
});

it('a flood of nonce requests does not block registrations: each route has its own throttle', () => {
  const [stage] = region.ofType('AWS::ApiGateway::Stage');
  expect(stage!.Properties.StageName).toBe('live');
  const limits = stage!.Properties.MethodSettings.map(
    ({ HttpMethod, ResourcePath, ThrottlingRateLimit, ThrottlingBurstLimit }: Record<string, unknown>) => [
      `${HttpMethod} ${ResourcePath}`,
      ThrottlingRateLimit,
      ThrottlingBurstLimit,
    ],
  );
  expect(limits).toEqual([
    ['* /*', 200, 400],
    ['GET /~1v1~1nonce', 1000, 1000],
    ['POST /~1v1~1register', 1000, 1000],
  ]);
});

it('the API is Regional, validates no body and creates no role for the account', () => {
  const [api] = region.ofType('AWS::ApiGateway::RestApi');
  expect(api!.Properties.EndpointConfiguration).toEqual({ Types: ['REGIONAL'] });
  expect(region.ofType('AWS::ApiGateway::RequestValidator')).toEqual([]);
  expect(region.ofType('AWS::ApiGateway::Account')).toEqual([]);
});

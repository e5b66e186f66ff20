/** The Region's front door: the routes of the contract, and an answer in the platform's own form to all else. */
import { Stack } from 'aws-cdk-lib';
import {
  EndpointType,
  LambdaIntegration,
  type MethodDeploymentOptions,
  Resource,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import type { Construct } from 'constructs';
import type { FunctionName } from '../../lambda/contract/names.ts';
import { ROUTES } from '../../lambda/contract/routes.ts';
import { addGatewayResponses } from './gateway-responses.ts';
import { addNotFound, addPreflight } from './own-answers.ts';
import type { PlatformFunction } from './platform-function.ts';

const STAGE = 'live';

/** Requests a second, and how many at once. */
const THROTTLE = { throttlingRateLimit: 200, throttlingBurstLimit: 400 } as const;
/** Of their own: a flood of nonces, which anybody can ask for, must not starve those who register. */
const METHOD_THROTTLES: Record<string, MethodDeploymentOptions> = {
  '/v1/nonce/GET': { throttlingRateLimit: 1000, throttlingBurstLimit: 1000 },
  '/v1/register/POST': { throttlingRateLimit: 1000, throttlingBurstLimit: 1000 },
};

export interface RestApiProps {
  readonly stage: string;
}

export function createRestApi(scope: Construct, id: string, { stage }: RestApiProps): RestApi {
  const api = new RestApi(scope, id, {
    restApiName: `countersign-${stage}`,
    description: 'Replay-proof registration',
    endpointTypes: [EndpointType.REGIONAL],
    deployOptions: { stageName: STAGE, ...THROTTLE, methodOptions: METHOD_THROTTLES },
    // The account's role for API Gateway's logs is one for all stages, so no stage's to create or to destroy.
    cloudWatchRole: false,
  });
  // The stack has its own output, without the slash that no base URL ends in.
  api.node.tryRemoveChild('Endpoint');
  return api;
}

/** The base URL without a domain. From the API's id: `api.url` would make its own functions depend on its stage. */
export function stageUrl({ restApiId, stack }: RestApi): string {
  const { region, urlSuffix } = Stack.of(stack);
  return `https://${restApiId}.execute-api.${region}.${urlSuffix}/${STAGE}`;
}

export interface RoutesProps {
  readonly functions: Readonly<Record<FunctionName, PlatformFunction>>;
  readonly errorDocsUrl: string;
}

export function addRoutes(api: RestApi, { functions, errorDocsUrl }: RoutesProps): void {
  for (const route of ROUTES) {
    const resource = api.root.resourceForPath(route.resource);
    const integration = new LambdaIntegration(functions[route.function].function, { allowTestInvoke: false });
    for (const method of route.methods) resource.addMethod(method, integration);
    addPreflight(resource, route);
  }
  api.root.addResource('{proxy+}');
  const below = api.node.findAll().filter((each) => each instanceof Resource);
  for (const resource of [api.root, ...below]) addNotFound(resource, errorDocsUrl);
  addGatewayResponses(api, errorDocsUrl);
}

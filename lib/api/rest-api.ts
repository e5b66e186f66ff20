/** The API of a Region: the routes of the contract, and a problem for every other request. */
import { Stack } from 'aws-cdk-lib';
import {
  type CfnRestApi,
  EndpointAccessMode,
  EndpointType,
  LambdaIntegration,
  Resource,
  RestApi,
  SecurityPolicy,
} from 'aws-cdk-lib/aws-apigateway';
import type { Construct } from 'constructs';
import type { ServingFunctions } from '../../lambda/contract/names.ts';
import { BINARY_MEDIA_TYPES, type Route } from '../../lambda/contract/routes.ts';
import type { Config } from '../config/read.ts';
import type { PlatformFunction } from '../functions/platform-function.ts';
import { accessLog } from './access-log.ts';
import { addGatewayResponses } from './gateway-responses.ts';
import { addNotFound, addPreflight } from './own-answers.ts';

export const API_STAGE = 'live';

export const apiName = (stage: string): string => `countersign-${stage}`;

/**
 * TLS 1.3, or 1.2 with forward secrecy, with post-quantum key exchange. Route 53's health checks need 1.2.
 * Strict: the host of a request must be the name of its TLS handshake.
 */
export const TLS = {
  securityPolicy: SecurityPolicy.TLS13_1_2_PFS_PQ_2025_09,
  endpointAccessMode: EndpointAccessMode.STRICT,
} as const;

/** Far more than Route 53's checkers ask. */
const CHECKERS_THROTTLE = { perSecond: 50, burst: 50 };

/** @param checkers the path of Route 53's health checkers, if they have one */
export function createRestApi(scope: Construct, id: string, config: Config, checkers?: Route): RestApi {
  const { nonce, register, other } = config.throttles;
  const api = new RestApi(scope, id, {
    restApiName: apiName(config.stage.name),
    description: 'Replay-proof registration',
    endpointTypes: [EndpointType.REGIONAL],
    binaryMediaTypes: BINARY_MEDIA_TYPES,
    // No proof names this host, so no client can use it.
    ...(config.domain && { disableExecuteApiEndpoint: true }),
    deployOptions: {
      stageName: API_STAGE,
      ...throttle(other),
      methodOptions: {
        '/v1/nonce/GET': throttle(nonce),
        '/v1/register/POST': throttle(register),
        ...(checkers && { [`${checkers.resource}/GET`]: throttle(CHECKERS_THROTTLE) }),
      },
      ...(config.stage.kind === 'prod' && accessLog(scope, config)),
    },
    // All stages of an account share API Gateway's role for logs, so no stage may create or destroy it.
    cloudWatchRole: false,
  });
  // RestApi has no property for either.
  Object.assign(api.node.defaultChild as CfnRestApi, TLS);
  // This output ends in a slash, which a base URL must not. The stack has an output of its own.
  api.node.tryRemoveChild('Endpoint');
  return api;
}

const throttle = ({ perSecond, burst }: Config['throttles']['other']) => ({
  throttlingRateLimit: perSecond,
  throttlingBurstLimit: burst,
});

/**
 * The base URL without a domain. `api.url` would make a circle: the API's functions would depend on its
 * stage.
 */
export function stageUrl({ restApiId, stack }: RestApi): string {
  const { region, urlSuffix } = Stack.of(stack);
  return `https://${restApiId}.execute-api.${region}.${urlSuffix}/${API_STAGE}`;
}

export interface RoutesProps {
  readonly routes: readonly Route[];
  readonly functions: ServingFunctions<PlatformFunction>;
  readonly errorDocsUrl: string;
  readonly checkers: Route | undefined;
}

export function addRoutes(api: RestApi, { routes, functions, errorDocsUrl, checkers }: RoutesProps): void {
  for (const route of [...routes, ...(checkers ? [checkers] : [])]) {
    const resource = api.root.resourceForPath(route.resource);
    const integration = new LambdaIntegration(functions[route.function]!.function, {
      allowTestInvoke: false,
    });
    for (const method of route.methods) resource.addMethod(method, integration);
    // No page asks on the checkers' path.
    if (route !== checkers) addPreflight(resource, route);
  }
  api.root.addResource('{proxy+}');
  const below = api.node.findAll().filter((each) => each instanceof Resource);
  for (const resource of [api.root, ...below]) addNotFound(resource, errorDocsUrl);
  addGatewayResponses(api, errorDocsUrl);
}

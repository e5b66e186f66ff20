/** The access log: one line per request, without path, query and headers, and so without secrets. */
import { RemovalPolicy } from 'aws-cdk-lib';
import { AccessLogFormat, LogGroupLogDestination, type StageOptions } from 'aws-cdk-lib/aws-apigateway';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Config } from '../config/read.ts';

const FIELDS = {
  time: '$context.requestTime',
  request_id: '$context.requestId',
  method: '$context.httpMethod',
  route: '$context.resourcePath',
  status: '$context.status',
  ip: '$context.identity.sourceIp',
  tls: '$context.tlsVersion',
  cipher: '$context.cipherSuite',
  latency_ms: '$context.responseLatency',
  function_latency_ms: '$context.integration.latency',
  bytes: '$context.responseLength',
  refused_by: '$context.error.responseType',
  waf_status: '$context.waf.status',
} as const;

export function accessLog(
  scope: Construct,
  { stage, logRetentionDays }: Config,
): Pick<StageOptions, 'accessLogDestination' | 'accessLogFormat'> {
  const logGroup = new LogGroup(scope, 'AccessLog', {
    logGroupName: `/countersign/${stage.name}/access`,
    retention: logRetentionDays,
    removalPolicy: RemovalPolicy.DESTROY,
  });
  return {
    accessLogDestination: new LogGroupLogDestination(logGroup),
    accessLogFormat: AccessLogFormat.custom(JSON.stringify(FIELDS)),
  };
}

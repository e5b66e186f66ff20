/**
 * The environment of a Region's serving functions, from the config, and the part of it that each function
 * gets.
 */
import { ENVIRONMENT, type ServingVariable } from '../../lambda/contract/environment.ts';
import type { ServingBundle } from '../../lambda/contract/names.ts';
import { type ServingValues, servingEnvironment } from '../../lambda/contract/serving-environment.ts';
import { policyId } from '../../protocol/oauth/attestation.ts';
import type { Config } from '../config/read.ts';
import { hasHealthChecks } from '../routing/checkers.ts';

export type EnvironmentValues = Readonly<Record<ServingVariable, string>>;

export interface EnvironmentProps
  extends Pick<ServingValues, 'baseUrl' | 'entryUrl' | 'regions' | 'wakeUpsUrl'> {
  readonly config: Config;
  readonly region: Config['regions'][number];
  readonly errorDocsUrl: string;
}

/** A URL may be one that CloudFormation fills in: it has nothing that JSON would escape. */
export function environmentValues({ config, region, ...urls }: EnvironmentProps): EnvironmentValues {
  return servingEnvironment({
    ...urls,
    stage: config.stage.name,
    region: region.name,
    issuer: config.issuer,
    consistency: config.consistency,
    ledgerGeneration: region.ledgerGeneration,
    tableGeneration: config.tables.generation,
    nonceLifeMs: config.nonceLife.toMilliseconds(),
    clockErrorMs: config.clockError.toMilliseconds(),
    keysetMaxAgeMs: config.keys.keysetMaxAge.toMilliseconds(),
    clientKeyLifeMs: config.clientKeyLife.toMilliseconds(),
    ...(config.oauth && {
      oauth: {
        tokenLifeMs: config.oauth.tokenLife.toMilliseconds(),
        bodyBinding: config.oauth.bodyBinding === 'required',
        scopes: config.oauth.scopes,
        resources: config.oauth.resources,
      },
    }),
    enrolment: config.enrolment.map(policyId),
    signaturesPerMinute: config.quota.signaturesPerMinute,
    holdDownMs: hasHealthChecks(config) ? config.healthChecks.holdDown.toMilliseconds() : 0,
  });
}

/** Functions whose variables all come from the serving environment. */
type Served = ServingBundle | 'outbox' | 'deliver' | 'find-stream';

export function environmentOf(name: Served, values: EnvironmentValues): Record<string, string> {
  return Object.fromEntries(ENVIRONMENT[name].map((variable) => [variable, values[variable]]));
}

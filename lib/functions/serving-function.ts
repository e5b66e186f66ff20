/** One of the functions that answer clients and operators. */
import { Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import {
  type BundleName,
  bundleOf,
  type FunctionName,
  functionName,
  type ServingBundle,
  TABLES,
  type TableKind,
} from '../../lambda/contract/names.ts';
import type { Config } from '../config/read.ts';
import { keyStatements } from '../data/encryption.ts';
import { type EnvironmentValues, environmentOf } from './environment.ts';
import { statements } from './permissions.ts';
import { PlatformFunction } from './platform-function.ts';
import { PERMISSIONS } from './rights.ts';

export interface ServingFunctionProps {
  readonly config: Config;
  readonly region: Config['regions'][number];
  readonly name: FunctionName;
  /** Each function's directory, which holds `index.mjs`. */
  readonly bundles: Readonly<Record<BundleName, string>>;
  readonly values: EnvironmentValues;
}

export class ServingFunction extends PlatformFunction {
  constructor(scope: Construct, id: string, { config, region, name, bundles, values }: ServingFunctionProps) {
    const stage = config.stage.name;
    const code = bundleOf(name, config.oauth !== undefined);
    const generations = {
      ledgerGeneration: region.ledgerGeneration,
      tableGeneration: config.tables.generation,
    };
    super(scope, id, {
      config,
      functionName: functionName(stage, name),
      bundle: bundles[code],
      environment: environmentOf(code, values),
      statements: [
        ...statements(Stack.of(scope), code, {
          stage,
          regions: config.regions.map(({ name }) => name),
          ...generations,
        }),
        ...keyStatements(scope, config, region, { services: encryptedServices(code) }),
      ],
    });
  }
}

/** The Region's key encrypts all secrets, and the tables that all Regions share. */
function encryptedServices(name: ServingBundle): ('secretsmanager' | 'dynamodb')[] {
  const { tables = {}, secrets = [] } = PERMISSIONS[name];
  const global = Object.keys(tables).some((kind) => TABLES[kind as TableKind].scope === 'global');
  return [
    ...(secrets.length > 0 ? ['secretsmanager' as const] : []),
    ...(global ? ['dynamodb' as const] : []),
  ];
}

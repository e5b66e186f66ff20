/**
 * The rotation function of one purpose in one Region, with the rights of that purpose. In one Region it makes
 * keys; in the others it is idle until the keys are promoted there.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { CfnAlias, type CfnFunction, CfnPermission } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { ROTATION_TIMEOUT_MS } from '../../lambda/contract/keys.ts';
import { keysItemKey } from '../../lambda/contract/limits.ts';
import { rotationFunctionName, secretName, WATCH_ALIAS } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { rotationEnvironment } from '../../lambda/contract/rotation-environment.ts';
import {
  appRoleSecretName,
  rotationRoleName,
  type VaultAccess,
  vaultServerId,
} from '../../lambda/contract/vault.ts';
import { keyLags } from '../config/key-lags.ts';
import type { Config } from '../config/read.ts';
import { vaultNetwork } from '../config/vault-network.ts';
import { keyStatements } from '../data/encryption.ts';
import { allow, allowItems, secretArn } from '../functions/permissions.ts';
import { PlatformFunction } from '../functions/platform-function.ts';

type Region = Config['regions'][number];

export interface RotationFunctionProps {
  readonly config: Config;
  readonly region: Region;
  readonly purpose: Purpose;
  /** Directory with `index.mjs`. */
  readonly bundle: string;
  readonly errorDocsUrl: string;
}

export class RotationFunction extends PlatformFunction {
  /** Lets Secrets Manager call it, for a secret of this account alone. */
  readonly permission: CfnPermission;
  /** The alias that keys-watch may call. */
  readonly watchArn: string;

  constructor(scope: Construct, id: string, props: RotationFunctionProps) {
    const { config, region, purpose, bundle, errorDocsUrl } = props;
    const stage = config.stage.name;
    const stack = Stack.of(scope);
    const functionName = rotationFunctionName(stage, purpose);
    const network = vaultNetwork(config, region);
    super(scope, id, {
      config,
      functionName,
      bundle,
      // Vault recognises the function by its role.
      roleName: rotationRoleName(stage, purpose, region.name),
      timeout: Duration.millis(ROTATION_TIMEOUT_MS),
      environment: rotationEnvironment({
        stage,
        region: region.name,
        purpose,
        lags: keyLags(config, purpose),
        vault: vaultAccess(config),
        regions: config.regions.map(({ name }) => name),
        keysManagedBy: config.keysManagedBy,
        errorDocsUrl,
      }),
      statements: [
        ...keysetStatements(stack, config, region, purpose),
        ...loginStatements(stack, config, purpose),
        ...(network ? networkStatements(stack, functionName) : []),
      ],
    });
    if (network) {
      const { subnetIds, securityGroupIds } = network;
      // On the L1, by ids: the L2 would look the VPC up.
      (this.function.node.defaultChild as CfnFunction).vpcConfig = { subnetIds, securityGroupIds };
    }
    this.permission = new CfnPermission(this, 'Rotates', {
      action: 'lambda:InvokeFunction',
      functionName: this.function.functionArn,
      principal: 'secretsmanager.amazonaws.com',
      sourceAccount: stack.account,
    });
    const alias = new CfnAlias(this, 'Watch', {
      name: WATCH_ALIAS,
      description: 'Called by keys-watch: it serves the actions that change no key',
      functionName: this.function.functionName,
      functionVersion: '$LATEST',
    });
    this.watchArn = alias.ref;
  }
}

const vaultAccess = ({ vault: { address, namespace, caPem, auth, stsRegion } }: Config): VaultAccess => ({
  address,
  ...(namespace !== undefined && { namespace }),
  ...(caPem !== undefined && { caPem }),
  auth,
  ...(stsRegion !== undefined && { stsRegion }),
});

const READ = ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'];
const WRITE = ['secretsmanager:PutSecretValue', 'secretsmanager:UpdateSecretVersionStage'];

/**
 * On its own keyset and the keyset's replicas, and on the item in each Region that lists its revoked kids.
 * The rights are the same whichever Region makes the keys: a promotion must not wait for IAM, whose control
 * plane is in one Region (docs/decisions/0036). AWS refuses the write of a replica, and the function itself
 * makes no key where another Region does.
 */
function keysetStatements(stack: Stack, config: Config, here: Region, purpose: Purpose): PolicyStatement[] {
  const stage = config.stage.name;
  const name = secretName(stage, purpose);
  const own = secretArn(stack, name);
  const others = config.regions.filter((region) => region !== here);
  // One statement for all Regions where their rights are alike: IAM limits the size of a role's policies.
  return [
    allow([...READ, ...WRITE], own),
    ...keyStatements(stack, config, here, {
      services: ['secretsmanager'],
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
    }),
    ...(others.length > 0
      ? [
          allow(
            ['secretsmanager:GetSecretValue'],
            ...others.map((region) => secretArn(stack, name, region.name)),
          ),
        ]
      : []),
    // Secrets Manager encrypts the replica with the rights of the role that wrote the version.
    ...others.flatMap((region) =>
      keyStatements(stack, config, region, {
        services: ['secretsmanager'],
        actions: ['kms:Decrypt', 'kms:Encrypt', 'kms:GenerateDataKey'],
        from: here,
      }),
    ),
    allowItems(
      stack,
      stage,
      ['GetItem', 'UpdateItem'],
      [keysItemKey(purpose)],
      config.regions.map(({ name }) => name),
    ),
  ];
}

/** Logging in by IAM needs no right: Vault asks AWS who signed the request. */
function loginStatements(stack: Stack, { stage, vault }: Config, purpose: Purpose): PolicyStatement[] {
  if (vault.auth === 'approle')
    return [
      allow(['secretsmanager:GetSecretValue'], secretArn(stack, appRoleSecretName(stage.name, purpose))),
    ];
  if (vault.auth === 'aws') return [];
  return [
    new PolicyStatement({
      actions: ['sts:GetWebIdentityToken'],
      resources: ['*'],
      conditions: {
        'ForAllValues:StringEquals': { 'sts:IdentityTokenAudience': vaultServerId(vault.address) },
        Null: { 'sts:IdentityTokenAudience': 'false' },
      },
    }),
  ];
}

/**
 * Lambda needs these to give the function an address in the VPC. They are denied to the function's own code.
 */
function networkStatements(stack: Stack, functionName: string): PolicyStatement[] {
  const actions = [
    'ec2:AssignPrivateIpAddresses',
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:DescribeNetworkInterfaces',
    'ec2:DescribeSubnets',
    'ec2:UnassignPrivateIpAddresses',
  ];
  const self = stack.formatArn({ service: 'lambda', resource: `function:${functionName}` });
  return [
    new PolicyStatement({ actions, resources: ['*'] }),
    new PolicyStatement({
      effect: Effect.DENY,
      actions,
      resources: ['*'],
      conditions: { ArnEquals: { 'lambda:SourceFunctionArn': self } },
    }),
  ];
}

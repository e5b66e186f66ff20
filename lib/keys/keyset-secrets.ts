/** The secrets: one keyset for each purpose, with a replica in every other Region. */
import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { EMPTY_KEYSET, secretName } from '../../lambda/contract/names.ts';
import { PURPOSES } from '../../lambda/contract/purposes.ts';
import type { Config } from '../config/read.ts';
import { keyArn } from '../data/encryption.ts';

export interface KeysetSecretsProps {
  readonly config: Config;
}

/**
 * Created empty; the first rotation writes keys. When `SecretString` changes in the template, CloudFormation
 * overwrites the live keys with it, so it must never change.
 */
export class KeysetSecrets extends Construct {
  constructor(scope: Construct, id: string, { config }: KeysetSecretsProps) {
    super(scope, id);
    const { stage, homeRegion, regions } = config;
    const at = (region: Config['regions'][number]) => {
      const kmsKeyId = keyArn(this, config, region);
      return kmsKeyId === undefined ? {} : { kmsKeyId };
    };
    const home = regions.find(({ name }) => name === homeRegion)!;
    const others = regions.filter((region) => region !== home);
    for (const purpose of PURPOSES)
      new CfnSecret(this, purpose, {
        name: secretName(stage.name, purpose),
        secretString: EMPTY_KEYSET,
        ...at(home),
        ...(others.length > 0 && {
          replicaRegions: others.map((region) => ({ region: region.name, ...at(region) })),
        }),
      }).applyRemovalPolicy(stage.kind === 'prod' ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY);
  }
}

/** A secret per purpose, which holds that purpose's keyset. */
import { RemovalPolicy } from 'aws-cdk-lib';
import { CfnSecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { EMPTY_KEYSET, PURPOSES, secretName } from '../../lambda/contract/names.ts';

export interface KeysetSecretsProps {
  readonly stage: string;
}

/**
 * Created empty and never changed by a template again: CloudFormation writes `SecretString` anew when the
 * resource changes, over live keys. So it has a name, the empty keyset, and nothing that one would edit.
 */
export class KeysetSecrets extends Construct {
  constructor(scope: Construct, id: string, { stage }: KeysetSecretsProps) {
    super(scope, id);
    for (const purpose of PURPOSES) {
      const name = secretName(stage, purpose);
      new CfnSecret(this, purpose, { name, secretString: EMPTY_KEYSET }).applyRemovalPolicy(
        RemovalPolicy.DESTROY,
      );
    }
  }
}

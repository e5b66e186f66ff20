/** Resources that a config holds as objects of the CDK: each becomes the id or ARN that it stands for. */
import { Token } from 'aws-cdk-lib';
import type { IHostedZone } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import type { ConfigFault } from './fault.ts';

const IDS = ['keyArn', 'topicArn', 'certificateArn', 'subnetId', 'securityGroupId', 'vpcId'] as const;

/**
 * The CDK's placeholder for a value that it still has to look up, and a value that is valid. The CDK's CLI
 * then synthesises again.
 */
const PLACEHOLDERS: readonly (readonly [RegExp, string])[] = [
  [/^DUMMY$/, 'Z0000000000'],
  [/^vpc-\d{5}$/, 'vpc-00000000'],
  [/^[spi]-\d{5}$/, 'subnet-00000000'],
];

const NOT_KNOWN =
  'is not known before the deployment, and no stack of the platform imports from another stack: deploy the resource ' +
  'first, and import it by its ARN or id, for example with Key.fromKeyArn';

/**
 * @returns the config with text in place of objects, and a fault for each object whose id is not known yet
 */
export function withoutObjects(input: unknown): { plain: unknown; faults: ConfigFault[] } {
  const faults: ConfigFault[] = [];
  const plainOf = (value: unknown, path: (string | number)[]): unknown => {
    if (Array.isArray(value)) return value.map((each, i) => plainOf(each, [...path, i]));
    if (typeof value !== 'object' || value === null) return value;
    if (!Construct.isConstruct(value))
      return Object.fromEntries(
        Object.entries(value).map(([name, each]) => [name, plainOf(each, [...path, name])]),
      );
    const text = textOf(value);
    const parts = typeof text === 'string' ? [text] : Object.values(text);
    if (parts.some((part) => Token.isUnresolved(part)))
      faults.push({ path, message: NOT_KNOWN, example: false });
    return text;
  };
  return { plain: plainOf(input, []), faults };
}

function textOf(resource: object): string | object {
  if ('hostedZoneId' in resource) {
    const { hostedZoneId, zoneName } = resource as IHostedZone;
    return { id: lookedUp(hostedZoneId), name: zoneName };
  }
  const id = IDS.find((name) => name in resource);
  // Other values stay as they are; the schema refuses them.
  return id === undefined ? resource : lookedUp((resource as Record<typeof id, string>)[id]);
}

const lookedUp = (id: string): string => PLACEHOLDERS.find(([form]) => form.test(id))?.[1] ?? id;

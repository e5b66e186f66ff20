/** Settings that name a resource also accept a CDK object. */
import { App, Stack } from 'aws-cdk-lib';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { SecurityGroup, Subnet, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { expect, it } from 'vitest';
import type { ConfigInput } from '../../../lib/config/input.ts';
import { readConfig } from '../../../lib/config/read.ts';
import { PROD } from '../synth.ts';

const KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab';
const OLD_KEY = 'arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ac';
const TOPIC = 'arn:aws:sns:eu-west-1:123456789012:alarms';
const WATCH_TOPIC = 'arn:aws:sns:us-east-1:123456789012:alarms';
const CERTIFICATE = 'arn:aws:acm:eu-west-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab';
const ZONE = { id: 'Z0123456789ABCDEFGHIJ', name: 'example.com' };
const NETWORK = { vpcId: 'vpc-0a1b2c3d', subnetIds: ['subnet-0a1b2c3d'], securityGroupIds: ['sg-0a1b2c3d'] };

const stack = () => new Stack(new App(), 'Team', { env: { account: '123456789012', region: 'eu-west-1' } });
const config = (region: object, rest: object = {}): ConfigInput => {
  const { witnessRegion: _, ...one } = { ...PROD, regions: [{ name: 'eu-west-1', ...region }], ...rest };
  return one;
};

it('an imported object means its ARN or id', () => {
  const team = stack();
  const vpc = Vpc.fromVpcAttributes(team, 'Vpc', { vpcId: NETWORK.vpcId, availabilityZones: ['eu-west-1a'] });
  const { id: hostedZoneId, name: zoneName } = ZONE;
  const objects = config(
    {
      kmsKeyArn: Key.fromKeyArn(team, 'Key', KEY),
      previousKmsKeyArn: Key.fromKeyArn(team, 'OldKey', OLD_KEY),
      certificateArn: Certificate.fromCertificateArn(team, 'Certificate', CERTIFICATE),
      alarmTopicArn: Topic.fromTopicArn(team, 'Topic', TOPIC),
      vaultNetwork: {
        vpcId: vpc,
        subnetIds: [Subnet.fromSubnetId(team, 'Subnet', NETWORK.subnetIds[0]!)],
        securityGroupIds: [
          SecurityGroup.fromSecurityGroupId(team, 'Group', NETWORK.securityGroupIds[0]!),
          'sg-1a1b2c3d',
        ],
      },
    },
    {
      domain: {
        entry: 'api.example.com',
        hostedZone: HostedZone.fromHostedZoneAttributes(team, 'Zone', { hostedZoneId, zoneName }),
      },
      watchAlarmTopicArn: Topic.fromTopicArn(team, 'WatchTopic', WATCH_TOPIC),
    },
  );
  const names = config(
    {
      kmsKeyArn: KEY,
      previousKmsKeyArn: OLD_KEY,
      certificateArn: CERTIFICATE,
      alarmTopicArn: TOPIC,
      vaultNetwork: { ...NETWORK, securityGroupIds: [...NETWORK.securityGroupIds, 'sg-1a1b2c3d'] },
    },
    { domain: { entry: 'api.example.com', hostedZone: ZONE }, watchAlarmTopicArn: WATCH_TOPIC },
  );
  expect(readConfig(objects)).toEqual(readConfig(names));
});

it('an object that the app itself creates is refused: two stacks would then import from each other', () => {
  const team = stack();
  const made = config(
    { kmsKeyArn: new Key(team, 'Key'), alarmTopicArn: new Topic(team, 'Topic') },
    {
      domain: {
        entry: 'api.example.com',
        hostedZone: new HostedZone(team, 'Zone', { zoneName: 'example.com' }),
      },
    },
  );
  const why = 'is not known before the deployment';
  for (const path of ['regions[0].kmsKeyArn', 'regions[0].alarmTopicArn', 'domain.hostedZone'])
    expect(() => readConfig(made)).toThrow(`${path}: ${why}`);
});

it('an object of another type or Region is refused as its ARN would be', () => {
  const team = stack();
  expect(() => readConfig(config({ kmsKeyArn: Topic.fromTopicArn(team, 'Topic', TOPIC) }))).toThrow(
    `regions[0].kmsKeyArn: must be an ARN like arn:aws:kms:`,
  );
  expect(() => readConfig(config({ kmsKeyArn: stack() }))).toThrow('regions[0].kmsKeyArn: must be ');
  const elsewhere = Topic.fromTopicArn(team, 'Elsewhere', WATCH_TOPIC);
  expect(() => readConfig(config({ alarmTopicArn: elsewhere }))).toThrow(
    'regions[0].alarmTopicArn: must lie in eu-west-1, got one in us-east-1',
  );
});

it('an object that the CDK still has to look up is accepted, so that synthesis reaches the look-up', () => {
  const team = stack();
  const vpc = Vpc.fromLookup(team, 'Vpc', { tags: { team: 'a' } });
  const objects = config(
    {
      vaultNetwork: {
        vpcId: vpc,
        subnetIds: vpc.privateSubnets,
        securityGroupIds: [SecurityGroup.fromLookupByName(team, 'Group', 'vault', vpc)],
      },
    },
    {
      domain: {
        entry: 'api.example.com',
        hostedZone: HostedZone.fromLookup(team, 'Zone', { domainName: 'example.com' }),
      },
    },
  );
  expect(readConfig(objects).domain!.hostedZone!.name).toBe('example.com');
});

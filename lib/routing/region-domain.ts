/** The names that a Region answers for: its own, and the entry's, which all Regions share. */
import { CfnOutput } from 'aws-cdk-lib';
import { DomainName, type IRestApi, type RestApi } from 'aws-cdk-lib/aws-apigateway';
import { Certificate, CertificateValidation, type ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import { ARecord, HostedZone, type IHostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { TLS } from '../api/rest-api.ts';
import type { Config } from '../config/read.ts';
import { regionHost } from './urls.ts';

type Domain = NonNullable<Config['domain']>;

export interface RegionDomainProps {
  readonly domain: Domain;
  readonly region: Config['regions'][number];
  readonly api: RestApi;
}

export class RegionDomain extends Construct {
  readonly certificate: ICertificate;

  constructor(scope: Construct, id: string, { domain, region, api }: RegionDomainProps) {
    super(scope, id);
    const host = regionHost(domain, region.name);
    const zone = hostedZone(this, domain);
    this.certificate = region.certificateArn
      ? Certificate.fromCertificateArn(this, 'Certificate', region.certificateArn)
      : issueCertificate(this, domain, host, zone);
    const [, own] = (['Entry', 'Own'] as const).map((name) => {
      const domainName = name === 'Entry' ? domain.entry : host;
      return new DomainName(this, name, {
        domainName,
        certificate: this.certificate,
        mapping: api as IRestApi,
        ...TLS,
      });
    }) as [DomainName, DomainName];
    if (zone)
      new ARecord(this, 'Record', {
        zone,
        recordName: `${host}.`,
        // The CDK's own target for an API cannot evaluate the target's health.
        target: RecordTarget.fromAlias({
          bind: () => ({
            dnsName: own.domainNameAliasDomainName,
            hostedZoneId: own.domainNameAliasHostedZoneId,
            evaluateTargetHealth: true,
          }),
        }),
      });
    else
      new CfnOutput(this, 'RecordToMake', {
        value: `${host} A alias ${own.domainNameAliasDomainName} zone ${own.domainNameAliasHostedZoneId}`,
        description: 'Make this record, evaluating the target health',
      });
  }
}

/** @returns the zone of the records; undefined where an operator makes the records */
export function hostedZone(scope: Construct, { hostedZone }: Domain): IHostedZone | undefined {
  if (!hostedZone) return undefined;
  const { id: hostedZoneId, name: zoneName } = hostedZone;
  return HostedZone.fromHostedZoneAttributes(scope, 'Zone', { hostedZoneId, zoneName });
}

function issueCertificate(
  scope: Construct,
  { entry }: Domain,
  host: string,
  zone: IHostedZone | undefined,
): ICertificate {
  return new Certificate(scope, 'Certificate', {
    domainName: entry,
    subjectAlternativeNames: [host],
    validation: CertificateValidation.fromDns(zone),
  });
}

/** Whether Route 53 checks the Regions' health, and on which path. */
import { createHash } from 'node:crypto';
import { checkersRoute, type Route } from '../../lambda/contract/routes.ts';
import type { Config } from '../config/read.ts';

/** With one Region DNS has no other answer. */
export const hasHealthChecks = ({ domain, regions }: Pick<Config, 'domain' | 'regions'>): boolean =>
  domain !== undefined && regions.length > 1;

/**
 * The checkers' own path, the same in all Regions and stacks. Its last segment follows from the ids of what
 * carries the names: the hosted zone, or the home Region's certificate. AWS makes these ids up, and shows
 * them to the account alone.
 *
 * A stage with a domain has it even with one Region: where two become one, the checks still ask until the
 * stack `watch` is deployed, and checks that find no path would make every Region unhealthy.
 *
 * @returns undefined without a domain
 */
export function checkersPath(config: Config): Route | undefined {
  const { stage, domain, regions, homeRegion } = config;
  if (!domain) return undefined;
  const id = domain.hostedZone?.id ?? regions.find(({ name }) => name === homeRegion)!.certificateArn;
  const digest = createHash('sha256').update(JSON.stringify(['health checkers', stage.name, id]));
  return checkersRoute(digest.digest('hex').slice(0, 32));
}

/** The endpoints, as the Regions that deliver to them show them. */
import type { ShownEndpoint } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { CliError } from '../io.ts';
import type { Target } from '../target.ts';

export interface Listed {
  readonly endpoints: readonly ShownEndpoint[];
  /** Why Regions did not answer. */
  readonly failed: readonly string[];
}

/**
 * Every Region lists all endpoints, but only the one that delivers to an endpoint knows what it has yet to
 * send.
 *
 * @throws CliError where no Region answers
 */
export async function listEndpoints(target: Target, client: string | undefined): Promise<Listed> {
  const params = client === undefined ? {} : { client };
  const answers = await Promise.allSettled(
    target.regions.map((region) => invokeAdmin(target, region, 'webhooks.list', params)),
  );
  const refusals = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  for (const error of refusals)
    if (!(error instanceof CliError) || refusals.length === answers.length) throw error;
  const byId = new Map<string, ShownEndpoint>();
  for (const [i, answer] of answers.entries())
    for (const endpoint of answer.status === 'fulfilled' ? answer.value.endpoints : [])
      if (endpoint.holder === target.regions[i] || !byId.has(endpoint.id)) byId.set(endpoint.id, endpoint);
  return { endpoints: [...byId.values()], failed: refusals.map(({ message }) => message) };
}

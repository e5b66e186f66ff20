/** The endpoints, as the Regions that deliver to them show them, and questions to one of these. */
import type { AdminAction, AdminActions, ShownEndpoint } from '../../lambda/contract/admin.ts';
import { invokeAdmin } from '../admin.ts';
import { CliError, EXIT, usage } from '../io.ts';
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
export async function listEndpoints(
  target: Target,
  client: string | undefined,
  signal?: AbortSignal,
): Promise<Listed> {
  const params = client === undefined ? {} : { client };
  const answers = await Promise.allSettled(
    target.regions.map((region) => invokeAdmin(target, region, 'webhooks.list', params, signal)),
  );
  const refusals = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
  for (const error of refusals)
    if (!(error instanceof CliError) || refusals.length === answers.length) throw error;
  const byId = new Map<string, ShownEndpoint>();
  for (const [i, answer] of answers.entries())
    for (const endpoint of answer.status === 'fulfilled' ? answer.value.endpoints : [])
      if (endpoint.holder === target.regions[i] || !byId.has(endpoint.id)) byId.set(endpoint.id, endpoint);
  const failed = answers.flatMap((answer, i) =>
    answer.status === 'rejected' ? [`${target.regions[i]}: ${answer.reason.message}`] : [],
  );
  return { endpoints: [...byId.values()], failed };
}

/** Asks the Region that delivers to an endpoint. */
export interface Holder {
  readonly region: string;
  ask<A extends AdminAction>(
    action: A,
    params: AdminActions[A]['params'],
  ): Promise<AdminActions[A]['result']>;
}

/**
 * Finds the Region that delivers to an endpoint: it alone changes the endpoint, and knows the order of its
 * events. @throws CliError where there is no such endpoint, or that Region is not among the target's
 */
export async function holderOf(target: Target, id: string, signal?: AbortSignal): Promise<Holder> {
  const { endpoints, failed } = await listEndpoints(target, undefined, signal);
  const region = endpoints.find((endpoint) => endpoint.id === id)?.holder;
  if (region === undefined)
    throw new CliError(
      EXIT.failed,
      [`there is no endpoint ${id}${failed.length > 0 ? ', as far as Regions answer' : ''}`, ...failed].join(
        '; ',
      ),
    );
  if (!target.regions.includes(region)) throw usage(`${region} delivers to ${id}: add it to --region`);
  return {
    region,
    async ask(action, params) {
      try {
        return await invokeAdmin(target, region, action, params, signal);
      } catch (error) {
        if (!(error instanceof CliError) || error.exitCode !== EXIT.unreachable) throw error;
        throw new CliError(
          error.exitCode,
          `${error.message}. ${region} delivers to ${id}; if it is lost, another Region has to take over first: ` +
            `countersign evacuate ${region}${target.args}`,
        );
      }
    },
  };
}

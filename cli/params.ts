/** Parameters as a person types them. */
import { type Command, InvalidArgumentError } from 'commander';
import { isClientId } from '../protocol/client-id.ts';

/** The functions name a bad parameter as it is on the wire; a person knows the option or argument. */
const TYPED: Readonly<{ [param: string]: string }> = {
  client: '--client',
  client_id: 'the client',
  event: '--event',
  events: '--events',
  expires_at: '--expires-at',
  expires_s: '--expires',
  id: 'the endpoint',
  jwk: '--jwk',
  limit: '--limit',
  nonce: "the proof's nonce",
  only_kids: '--only-kid',
  overlap_s: '--overlap',
  payload: '--payload',
  profile: '--profile',
  scopes: '--scopes',
  since: '--since',
  thumbprint: '--thumbprint',
  url: '--url',
};

/** @param detail `detail` of a problem, which may hold `params.<name>` */
export const asTyped = (detail: string): string =>
  detail.replace(/\bparams\.(\w+)/g, (_, param: string) =>
    Object.hasOwn(TYPED, param) ? TYPED[param]! : param,
  );

/** Each argument that is a client's name is checked before anything is asked. */
export function checkClientNames(command: Command): Command {
  for (const argument of command.registeredArguments)
    if (['name', 'client'].includes(argument.name())) argument.argParser(parseClientName);
  return command;
}

function parseClientName(text: string): string {
  if (isClientId(text)) return text;
  throw new InvalidArgumentError(
    "A client's name is 3 to 32 of a-z, 0-9 and -, and begins with a letter, e.g. my-service.",
  );
}

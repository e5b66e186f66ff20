/**
 * `register --dry-run`: reads the whole file and checks each user as the platform does, with the schema that
 * it publishes. Only its discovery document is asked for; nothing is registered, and no file is written.
 */

import { readRegistration } from '../../lambda/schema/body.ts';
import { compileSchema } from '../../lambda/schema/compile.ts';
import type { RegistrationSchema } from '../../lambda/schema/validator.ts';
import { type Profile, parseApiKey } from '../../protocol/api-key.ts';
import { isJsonObject } from '../../protocol/json.ts';
import { PROBLEMS } from '../../protocol/problem.ts';
import { MAX_BODY_BYTES } from '../../protocol/proof/request.ts';
import { BASE_URL } from '../fixes.ts';
import { getJson } from '../get-json.ts';
import { EXIT, type ExitCode, type Io, printJson, usage } from '../io.ts';
import type { Access } from './access.ts';
import type { Input } from './input.ts';
import type { Progress } from './progress.ts';
import type { FailureLine } from './record.ts';
import { stopOf } from './stop.ts';
import { Tally, type Totals } from './tally.ts';

export interface DryRun extends Totals {
  /** Why the users were not all checked, and the exit code for it. */
  readonly stoppedBy: { readonly message: string; readonly exitCode: ExitCode } | undefined;
}

/**
 * Prints each user that would be refused, as it is found.
 *
 * @throws CliError where a run would not begin, either
 */
export async function dryRun(
  input: Input,
  { access, progress, json, io }: { access: Access; progress: Progress; json: boolean; io: Io },
): Promise<DryRun> {
  const profile = parseApiKey(access.apiKey)?.profile;
  if (profile === undefined) throw usage('the API key is cut off or mistyped');
  const schema = await publishedSchema(access.url);
  let stoppedBy: DryRun['stoppedBy'] =
    'problem' in schema ? { message: schema.problem, exitCode: EXIT.unreachable } : undefined;
  const print = (failure: FailureLine) =>
    json ? printJson(io, failure) : progress.result(`line ${failure.line}: ${failure.error.message}`);
  const tally = new Tally({ failures: { add: print }, checkpoint: undefined, progress });
  const disarm = io.onInterrupt(() => {
    stoppedBy = { message: 'interrupted', exitCode: EXIT.interrupted };
    input.close();
  });
  try {
    for await (const record of input.records) {
      const at = tally.begin(record)!;
      if ('text' in record) {
        tally.unreadable(at, record);
        continue;
      }
      const error = 'problem' in schema ? undefined : refusalOf(record.user, schema, profile);
      if (error) tally.failed(at, { user: record.user, error });
      else tally.registered(at, false);
    }
  } catch (error) {
    if (stoppedBy?.exitCode !== EXIT.interrupted) stoppedBy = stopOf(error);
  } finally {
    disarm();
  }
  return { ...tally.totals, stoppedBy };
}

/** @returns what the platform would answer; undefined where it would register the user */
function refusalOf(
  user: object,
  schema: RegistrationSchema,
  profile: Profile,
): FailureLine['error'] | undefined {
  const body = Buffer.from(JSON.stringify(user));
  if (body.length > MAX_BODY_BYTES)
    return { code: 'body_too_large', message: PROBLEMS.body_too_large.detail };
  const read = readRegistration(schema, { body, bodyInDoubt: false }, profile);
  if (read.ok) return undefined;
  const { code, detail = PROBLEMS[code].detail, errors } = read;
  const [first, ...others] = errors ?? [];
  if (!first) return { code, message: detail };
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  return { code, message: `${first.pointer || 'the user'}: ${first.message}${more}`, errors: errors! };
}

async function publishedSchema(url: string): Promise<RegistrationSchema | { readonly problem: string }> {
  const fetched = await getJson(`${url}/.well-known/countersign`);
  if ('error' in fetched) return { problem: `${url} gives ${fetched.error}` };
  const { registration_schema: schema } = isJsonObject(fetched.json) ? fetched.json : {};
  if (fetched.answer.status !== 200 || !isJsonObject(schema))
    return {
      problem: `${url} answers ${fetched.answer.status}, without the document of a platform; ${BASE_URL}`,
    };
  try {
    return compileSchema(schema);
  } catch (error) {
    return { problem: `the schema that the platform publishes cannot be used: ${(error as Error).message}` };
  }
}

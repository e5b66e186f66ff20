/** The rotation functions, one for each purpose, by Lambda's Invoke. */
import type { KeysAction, KeysActions } from '../../lambda/contract/keys.ts';
import { rotationFunctionName } from '../../lambda/contract/names.ts';
import type { Purpose } from '../../lambda/contract/purposes.ts';
import { invoke } from '../admin.ts';
import type { Target } from '../target.ts';

/** @throws Refused with the problem's detail, CliError where the function was not reached */
export const askKeys = <A extends KeysAction>(
  target: Target,
  region: string,
  purpose: Purpose,
  action: A,
  params: KeysActions[A]['params'],
): Promise<KeysActions[A]['result']> =>
  invoke(target, region, rotationFunctionName(target.stage, purpose), action, params);

/**
 * `countersign keys promote`: another Region makes the keys from now on (docs/runbook.md,
 * "primary-region-lost"). Each step looks first whether it is done, so a command that was interrupted
 * anywhere is run again.
 */
import type { PromotedKeys } from '../../lambda/contract/keys.ts';
import { PURPOSES, type Purpose } from '../../lambda/contract/purposes.ts';
import { AwsRefusal } from '../aws-error.ts';
import { CliError, EXIT } from '../io.ts';
import type { Target } from '../target.ts';
import { follow } from './follow.ts';
import { rolledBack, whyNoneSigns } from './print.ts';
import {
  isUnreadable,
  type Keysets,
  type PromoteOptions,
  Promotion,
  type PromotionStep,
} from './promotion.ts';
import { detachNewHome, requireLost, requireNewest, takeOver, waitForCopy } from './take-over.ts';

/** @returns all steps; all are done only if every Region of the target has the keys of the new key home */
export async function promoteKeys(
  target: Target,
  to: string,
  options: PromoteOptions,
): Promise<readonly PromotionStep[]> {
  const promotion = new Promotion(target, to, options);
  await run(promotion);
  return promotion.steps;
}

/** The Region does not answer. It may be lost, or cut off from here. */
interface Silent {
  readonly error: string;
}

async function run(promotion: Promotion): Promise<void> {
  const { to } = promotion;
  const others = promotion.target.regions.filter((region) => region !== to);
  const own = await promotion.ask(to);
  const present = new Map<string, Keysets>();
  const silent = new Map<string, string>();
  await Promise.all(
    others.map(async (region) => {
      const answer = await askInTime(promotion, region);
      if ('error' in answer) silent.set(region, answer.error);
      else present.set(region, answer);
    }),
  );
  requireLost(promotion, own, present);
  requireNewest(promotion, own, present);
  // With --yes nothing is refused here. The key is waited for before the secret is detached.
  for (const [purpose, { missing_kids }] of own)
    if (missing_kids.length > 0 && !promotion.options.yes) await waitForCopy(promotion, purpose, present);

  const promoted = new Map<Purpose, PromotedKeys>();
  const isTakenOver = await promotion.eachPurpose('take-over', to, (purpose) =>
    takeOver(promotion, purpose, present, promoted),
  );
  if (!isTakenOver) return;
  const isDetached = await promotion.eachPurpose('detach', to, (purpose) =>
    detachNewHome(promotion, purpose, promoted, present),
  );
  if (!isDetached) return;
  const isDeployed = promotion.isDeployed(to, own);
  if (!lock(promotion, isDeployed)) return;
  if (!isDeployed && !(await promotion.deploy(to))) return;
  await follow(promotion, present, promoted);
  await requireSigning(promotion);
  for (const [region, error] of silent)
    promotion.step('replicate', region, null, false, later(region, error));
  for (const { region } of own.get(PURPOSES[0]!)!.regions)
    if (!promotion.target.regions.includes(region))
      promotion.step('replicate', region, null, false, 'is a Region of the stage, and not in --region');
}

/** A purpose of which no key signs is not done, even if every Region has its keys. */
async function requireSigning(promotion: Promotion): Promise<void> {
  const { to, target } = promotion;
  for (const [purpose, keyset] of await promotion.ask(to)) {
    const fault = whyNoneSigns(keyset, target.args);
    if (fault === undefined) continue;
    promotion.step('sign', to, purpose, false, [fault, ...rolledBack(keyset, target.args)].join('; '));
  }
}

function lock(promotion: Promotion, isDeployed: boolean): boolean {
  const { lock } = promotion.options;
  if (!lock) return true;
  const written = lock.write(promotion.target.stage, promotion.to);
  // Somebody deployed it, so the project has it.
  if (!written.done && isDeployed) return true;
  return promotion.step('lock', promotion.to, null, written.done, written.detail);
}

/** A Region that refuses is there: missing rights of the operator do not count as its loss. */
async function askInTime(promotion: Promotion, region: string): Promise<Keysets | Silent> {
  const { signal, patienceMs } = promotion.options;
  try {
    return await promotion.askThose(region, AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]));
  } catch (error) {
    if (!(error instanceof CliError) || error instanceof AwsRefusal) throw error;
    if (error.exitCode !== EXIT.unreachable && !isUnreadable(error)) throw error;
    return { error: error.message };
  }
}

const later = (region: string, error: string): string =>
  `${error}. When it is back: keep it evacuated, deploy its stacks with keys.managedBy, and run this command again ` +
  `before you return ${region}`;

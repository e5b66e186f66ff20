/** A rotation function answers before Lambda ends it, and changes no secret after it has answered. */
import type { SecretVersions } from '../adapters/secret-versions.ts';
import type { VaultKeys } from '../vault/keys.ts';
import { RotationError } from './rotation-error.ts';

/** Time limits from the start of a call. All end well before Lambda ends the call. */
export interface Times {
  /** For one read or write in one Region, from its own start. */
  readonly eachMs: number;
  /** For the replicas to receive the last change of the secret, before AWSCURRENT moves. */
  readonly replicatedMs: number;
  /** For a new keyset. */
  readonly swapMs: number;
  /** For the whole call. */
  readonly answerMs: number;
}

export const TIMES: Times = { eachMs: 7_000, replicatedMs: 7_000, swapMs: 30_000, answerMs: 50_000 };

/** The work was not done in time. What it changed before then stays. */
export class TooLate extends RotationError {
  constructor(ms: number) {
    super(`not done within ${ms / 1000} s: a service that it needs is slow or does not answer`);
    this.name = 'TooLate';
  }
}

/** The things that a rotation changes. */
export interface Changing {
  readonly secret: SecretVersions;
  readonly vault: VaultKeys;
}

/** Counts real time from its creation. */
export class Deadline {
  readonly #startedMs = performance.now();

  /** @throws TooLate where the work is not done `ms` after the start */
  by<T>(ms: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new TooLate(ms)),
        Math.max(0, this.#startedMs + ms - performance.now()),
      );
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  /**
   * As `by`, for work that changes the secret, or calls Vault. Lambda freezes work that has not ended, and
   * continues it during the next call. The secret and Vault then refuse its calls, since the first call has
   * already answered that nothing changed.
   */
  changing<T>(ms: number, { secret, vault }: Changing, work: (checked: Changing) => Promise<T>): Promise<T> {
    const over = new AbortController();
    const { signal } = over;
    const requireTime = async () => {
      if (signal.aborted) throw new TooLate(ms);
    };
    const checkedSecret: SecretVersions = {
      describe: () => secret.describe(),
      read: (version) => secret.read(version),
      put: (id, text, token) => requireTime().then(() => secret.put(id, text, token, signal)),
      move: (label, from, to) => requireTime().then(() => secret.move(label, from, to, signal)),
    };
    const checkedVault: VaultKeys = {
      rotate: (...key) => requireTime().then(() => vault.rotate(...key)),
      versions: (...key) => requireTime().then(() => vault.versions(...key)),
      exportKey: (...key) => requireTime().then(() => vault.exportKey(...key)),
      trim: (...key) => requireTime().then(() => vault.trim(...key)),
    };
    return this.by(ms, work({ secret: checkedSecret, vault: checkedVault })).finally(() => over.abort());
  }
}

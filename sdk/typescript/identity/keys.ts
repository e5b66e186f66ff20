/** The keys of an instance: each lives for a while, and the next one is there before it ends. */
import { abortable } from '../abort.ts';
import type { Signer } from '../credential.ts';
import type { ClientKeys, ReadyAt } from '../keys.ts';
import type { Log } from '../log.ts';
import { type EnrolledSigner, type EnrolOptions, enrol } from './enrol.ts';

export interface IdentityKeysOptions extends EnrolOptions {
  readonly log: Log;
}

/** A key with less time left is not used: a proof must arrive before its end. */
const LEAST_LEFT_MS = 30_000;
/** The next key is made when this part of the time of the one before is over. */
const RENEW_AFTER = 2 / 3;
/** After a failure the next try in the background waits for this long. */
const COOLDOWN_MS = 30_000;

interface Held extends EnrolledSigner {
  readonly sinceMs: number;
}

export class IdentityKeys implements ClientKeys {
  readonly #options: IdentityKeysOptions;
  #held: Held | undefined;
  #enrolling: Promise<void> | undefined;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(options: IdentityKeysOptions) {
    this.#options = options;
  }

  /** Empty until the first key is there. */
  get clientId(): string {
    return this.#held?.signer.clientId ?? '';
  }

  /** Makes sure that there is a key; the next one is made in the background. */
  async ready(at: ReadyAt, signals: readonly AbortSignal[]): Promise<void> {
    const nowMs = at.nowS * 1000;
    const held = this.#held;
    if (!held || held.endsAtMs - nowMs < LEAST_LEFT_MS) return abortable(this.#enrol(at), signals);
    const renewAtMs = held.sinceMs + (held.endsAtMs - held.sinceMs) * RENEW_AFTER;
    if (nowMs < renewAtMs || nowMs < this.#notBeforeMs) return;
    this.#notBeforeMs = nowMs + COOLDOWN_MS;
    // The key that is in use works until its end.
    this.#enrol(at).catch(() => this.#options.log('warn', 'a key was not renewed in time'));
  }

  signer(): Signer {
    // `ready` was called before.
    return this.#held!.signer;
  }

  /** A policy was changed, or the client deleted: the next key may be taken. */
  refused(signer: Signer, nowMs: number): boolean {
    if (this.#held?.signer !== signer) return true;
    if (nowMs - this.#held.sinceMs < COOLDOWN_MS) return false;
    this.#held = undefined;
    return true;
  }

  /** All calls that wait share one. */
  #enrol(at: ReadyAt): Promise<void> {
    this.#enrolling ??= enrol(this.#options, at)
      .then((enrolled) => {
        this.#held = { ...enrolled, sinceMs: at.nowS * 1000 };
        this.#options.log('info', 'enrolled', {});
      })
      .finally(() => {
        this.#enrolling = undefined;
      });
    return this.#enrolling;
  }
}

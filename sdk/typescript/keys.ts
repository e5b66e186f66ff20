/**
 * The keys of a client: the current one, and from some day on the next one, which it gets from the platform
 * (docs/protocol.md, "Key roll-over").
 */
import type { Credential, Signer } from './credential.ts';

/** A client's next key, before the client signs with it. */
export interface RotatedKey {
  /** Options of a client that signs with it. */
  readonly credential: Credential;
  readonly kid: string;
  readonly usableAt: Date;
  readonly expiresAt: Date;
}

/** After the platform refused the next key, the one before signs for this long. */
const DOUBT_MS = 60_000;
/** A Region that does not know the next key by then never will. */
const LONGEST_LAG_MS = 600_000;

/** When and where a call is about to sign. */
export interface ReadyAt {
  /** The platform's. */
  readonly issuer: string;
  /** The Region's base URL. */
  readonly url: string;
  /** Epoch seconds, by the server's clock. */
  readonly nowS: number;
}

/** The keys of a client, as a call uses them. */
export interface ClientKeys {
  readonly clientId: string;
  /** Waits until there is a key. @default there is one @throws the reason of a signal that aborts */
  ready?(at: ReadyAt, signals: readonly AbortSignal[]): Promise<void>;
  /** @param nowMs by the server's clock */
  signer(nowMs: number): Signer;
  /** The platform refused a signature. @returns whether another key may sign instead */
  refused(signer: Signer, nowMs: number): boolean;
}

export class Keys implements ClientKeys {
  #current: Signer;
  /** The key before. */
  #old: { readonly signer: Signer; readonly untilMs: number } | undefined;
  #next: { readonly signer: Signer; usableAtMs: number } | undefined;

  constructor(signer: Signer) {
    this.#current = signer;
  }

  get clientId(): string {
    return this.#current.clientId;
  }

  /** @param nowMs by the server's clock */
  signer(nowMs: number): Signer {
    if (this.#next && nowMs >= this.#next.usableAtMs) {
      this.#old = { signer: this.#current, untilMs: nowMs + LONGEST_LAG_MS };
      this.#current = this.#next.signer;
      this.#next = undefined;
    }
    return this.#current;
  }

  /** Whether a next key may be asked for: there is none yet, and the key is the current one. */
  asksWith(signer: Signer): boolean {
    return signer === this.#current && this.#next === undefined;
  }

  follow(signer: Signer, usableAtMs: number): void {
    this.#next = { signer, usableAtMs };
  }

  /**
   * The platform refused a signature. A Region may not know the next key yet.
   *
   * @returns whether another key may sign instead
   */
  refused(signer: Signer, nowMs: number): boolean {
    if (signer !== this.#current) return true;
    if (!this.#old || nowMs > this.#old.untilMs) return false;
    this.#next = { signer, usableAtMs: nowMs + DOUBT_MS };
    this.#current = this.#old.signer;
    this.#old = undefined;
    return true;
  }
}
